//! The pure part against random trees of forks: whatever the node shows, the view ends as the node's chain.

use std::collections::HashMap;

use ids::Hash32;
use proptest::prelude::*;

use super::*;

fn hash(id: u32) -> Hash32 {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&id.to_be_bytes());
    Hash32::new(bytes)
}

fn link(number: u64, id: u32, parent: u32) -> Link {
    Link { number, hash: hash(id), parent_hash: hash(parent) }
}

/// A chain of blocks 1, 2, 3, ... whose hashes are their heights plus a hundred for each branch.
fn line(from: u64, to: u64, branch: u32) -> Vec<Link> {
    (from..=to)
        .map(|n| link(n, n as u32 + branch, (n - 1) as u32 + if n == from { 0 } else { branch }))
        .collect()
}

fn view(to: u64, depth: u64) -> View {
    View::new(line(1, to, 0), depth).unwrap()
}

#[test]
fn a_block_on_the_tip_extends_and_the_tip_itself_rests() {
    let view = view(5, 3);
    assert_eq!(view.meet(&line(6, 8, 0)), Action::Extend { skip: 0 });
    assert_eq!(view.meet(&line(4, 6, 0)), Action::Extend { skip: 2 });
    assert_eq!(view.meet(&line(5, 5, 0)), Action::Rest);
    assert_eq!(view.meet(&line(2, 3, 0)), Action::Rest, "a node that lags behind changes nothing");
}

#[test]
fn another_block_of_the_same_height_takes_the_tip_back() {
    let view = view(5, 3);
    assert_eq!(view.meet(&line(5, 5, 100)), Action::Retract { ancestor: 4 });
    assert_eq!(
        view.meet(&line(4, 5, 100)),
        Action::Retract { ancestor: 3 },
        "also where the branch is no longer"
    );
}

#[test]
fn a_shorter_branch_takes_back_more_than_it_brings() {
    assert_eq!(view(9, 5).meet(&line(6, 6, 100)), Action::Retract { ancestor: 5 });
}

#[test]
fn a_branch_that_does_not_meet_is_asked_for_further_down_and_no_further_than_the_depth() {
    let view = view(20, 8);
    let mut asked = Vec::new();
    // A branch that left ours long ago: it is shown from ever lower heights until that is deep enough.
    let mut from = 21;
    loop {
        let foreign: Vec<Link> = (from..=21).map(|n| link(n, n as u32 + 500, n as u32 + 499)).collect();
        match view.meet(&foreign) {
            Action::AskFrom(lower) => {
                assert!(lower < from);
                asked.push(lower);
                from = lower;
            }
            action => {
                assert_eq!(action, Action::TooDeep);
                break;
            }
        }
    }
    assert_eq!(asked, [19, 17, 13], "twice as far each time, and the last parent compared is the twelfth");
}

#[test]
fn the_deepest_that_is_allowed_is_taken_back_and_one_more_is_not() {
    let view = view(20, 8);
    assert_eq!(view.meet(&line(13, 21, 100)), Action::Retract { ancestor: 12 });
    assert_eq!(view.meet(&line(12, 21, 100)), Action::TooDeep);
}

#[test]
fn a_window_with_a_gap_is_no_view() {
    assert!(View::new([], 3).is_none());
    assert!(View::new([link(1, 1, 0), link(3, 3, 2)], 3).is_none());
    assert!(View::new([link(1, 1, 0), link(2, 2, 9)], 3).is_none());
}

/// Every block by its id; block 0 is the root.
type Tree = HashMap<u32, Link>;

fn path(tree: &Tree, tip: u32) -> Vec<Link> {
    let mut path = Vec::new();
    let mut at = hash(tip);
    let by_hash: HashMap<Hash32, Link> = tree.values().map(|link| (link.hash, *link)).collect();
    while let Some(link) = by_hash.get(&at) {
        path.push(*link);
        at = link.parent_hash;
    }
    path.reverse();
    path
}

/// What the worker does with one look at the node; false where it would halt.
fn look(view: &mut View, canonical: &[Link], range: usize) -> bool {
    let lowest = canonical[0].number;
    let slice = |from: u64, to: u64| canonical[(from - lowest) as usize..=(to - lowest) as usize].to_vec();
    let head = canonical.last().unwrap().number;
    loop {
        if canonical.last().unwrap().hash == view.tip().hash {
            return true;
        }
        let from = head.min(view.tip().number + 1);
        let to = head.min(from + range as u64 - 1);
        let mut branch = slice(from, to);
        for questions in 0.. {
            assert!(questions < 64, "the questions must come to an end");
            match view.meet(&branch) {
                Action::Rest => return true,
                Action::TooDeep => return false,
                Action::AskFrom(lower) => {
                    assert!(lower < branch[0].number, "each question goes further down");
                    branch = slice(lower.max(lowest), to);
                }
                Action::Retract { ancestor } => {
                    let taken = view.retract(ancestor);
                    assert!(!taken.is_empty());
                    assert_eq!(view.tip().number, ancestor);
                }
                Action::Extend { skip } => {
                    branch[skip..].iter().for_each(|link| view.push(*link));
                    break;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_view_ends_as_the_nodes_chain(
        parents in proptest::collection::vec((0usize..4, any::<u16>()), 1..60),
        tips in proptest::collection::vec(any::<u16>(), 1..12),
        depth in 1u64..12,
        range in 1usize..9,
    ) {
        // Mostly growing: a new block builds on one of the last few, sometimes on any.
        let mut tree = Tree::from([(0, link(0, 0, u32::MAX))]);
        for (index, (back, any)) in parents.iter().enumerate() {
            let id = index as u32 + 1;
            let parent = if *back == 3 { u32::from(*any) % id } else { id.saturating_sub(1 + *back as u32) };
            let number = tree[&parent].number + 1;
            tree.insert(id, link(number, id, parent));
        }
        let mut view = View::new([tree[&0]], depth).unwrap();
        for tip in tips {
            let canonical = path(&tree, u32::from(tip) % (parents.len() as u32 + 1));
            let ours = path(&tree, {
                let tip = view.tip().hash;
                tree.iter().find(|(_, link)| link.hash == tip).map(|(id, _)| *id).unwrap()
            });
            let shared = canonical.iter().zip(&ours).take_while(|(a, b)| a == b).count();
            let is_lagging =
                shared == canonical.len() || canonical.last().unwrap().number < view.links[0].number;
            let before = view.clone();
            let taken_back = (ours.len() - shared) as u64;

            let followed = look(&mut view, &canonical, range);

            if is_lagging {
                prop_assert!(followed);
                prop_assert_eq!(view.tip(), before.tip(), "a node in our own past, or before it, changes nothing");
            } else if taken_back > depth {
                prop_assert!(!followed, "{} blocks deep with a depth of {}", taken_back, depth);
                prop_assert_eq!(view.tip(), before.tip());
                return Ok(());
            } else if followed {
                let kept: Vec<Link> = view.links.iter().copied().collect();
                prop_assert!(canonical.ends_with(&kept), "the view is the newest part of the node's chain");
            } else {
                // The window itself may have become short by reorganisations that followed one another.
                let remembered = before.tip().number - before.links[0].number;
                prop_assert!(taken_back > remembered);
                return Ok(());
            }
        }
    }
}
