//! A reorganisation that is too deep: what one endpoint shows is no reason to halt a chain, what lasts is.

use std::time::{Duration, Instant};

use evm::Node;

/// So many looks in a row at least have shown it, ...
const LOOKS: u32 = 3;
/// ... for so long, where there is nobody else to ask, or somebody else has said the same.
const PATIENCE: Duration = Duration::from_secs(1);
/// Where nobody knows whose answers they were. Whoever gives them all is left within that time, and another one asked.
const LONGEST_PATIENCE: Duration = Duration::from_secs(20);
/// Looks that lie further apart have nothing to do with one another.
const APART: Duration = Duration::from_secs(30);

/// What a worker remembers of looks that have shown one, since the last that has not.
#[derive(Debug, Default)]
pub(super) struct Deep {
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    last: Instant,
    looks: u32,
    /// The endpoint that was left for it, by its place among all.
    left: Option<usize>,
}

impl Deep {
    /// A look has shown a branch that can be followed.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    /// A look has shown it once more. True when it is to be believed; else others are asked first from now on.
    pub(super) fn is_believed(&mut self, node: &Node) -> bool {
        let before = in_use(node);
        if self.is_sure(Instant::now(), &before) {
            return true;
        }
        if before.len() > 1 {
            node.doubt("a branch that has no block of ours within the depth of a reorganisation");
            self.doubted(&before, &in_use(node));
        }
        false
    }

    fn is_sure(&mut self, now: Instant, in_use: &[bool]) -> bool {
        let begun = self.seen.take().filter(|seen| now.saturating_duration_since(seen.last) <= APART);
        let seen = self.seen.insert(begun.unwrap_or(Seen { since: now, last: now, looks: 0, left: None }));
        (seen.looks, seen.last) = (seen.looks + 1, now);
        let lasted = now.saturating_duration_since(seen.since);
        let is_left = seen.left.is_some_and(|place| in_use.get(place) == Some(&false));
        let is_of_another = is_left && in_use.contains(&true);
        let patience = if in_use.len() < 2 || is_of_another { PATIENCE } else { LONGEST_PATIENCE };
        seen.looks >= LOOKS && lasted >= patience
    }

    fn doubted(&mut self, before: &[bool], after: &[bool]) {
        let left = before.iter().zip(after).position(|(before, after)| *before && !after);
        if let (Some(seen), Some(left)) = (&mut self.seen, left) {
            seen.left = Some(left);
        }
    }
}

/// Of each endpoint that can be asked, whether it is not left.
fn in_use(node: &Node) -> Vec<bool> {
    let health = node.health().into_iter().filter(|endpoint| !endpoint.is_socket);
    health.map(|endpoint| endpoint.left.is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many seconds of one look each it is believed.
    fn believed_after(mut deep: Deep, looks: &[&[bool]]) -> Option<usize> {
        let begin = Instant::now();
        looks
            .iter()
            .enumerate()
            .position(|(second, in_use)| deep.is_sure(begin + Duration::from_secs(second as u64), in_use))
    }

    #[test]
    fn one_endpoint_is_believed_when_it_says_so_again_and_again() {
        assert_eq!(believed_after(Deep::default(), &[&[true] as &[bool]; 10]), Some(2));
        // It cannot be told whose answers they are, for so long.
        assert_eq!(believed_after(Deep::default(), &[&[true, true] as &[bool]; 30]), Some(20));
    }

    #[test]
    fn looks_that_lie_far_apart_are_not_counted_together() {
        let (mut deep, begin) = (Deep::default(), Instant::now());
        assert!((0..10).all(|look| !deep.is_sure(begin + (APART + PATIENCE) * look, &[true])));
    }

    #[test]
    fn what_another_one_says_too_is_believed() {
        let mut deep = Deep::default();
        let now = Instant::now();
        assert!(!deep.is_sure(now, &[true, true]));
        deep.doubted(&[true, true], &[false, true]);
        assert!(!deep.is_sure(now + PATIENCE, &[false, true]));
        assert!(deep.is_sure(now + PATIENCE, &[false, true]));
        assert!(!deep.is_sure(now + PATIENCE, &[true, true]), "the first one is asked again");
        assert!(!deep.is_sure(now + PATIENCE, &[false, false]), "nobody else answers");
        deep.forget();
        assert!(!deep.is_sure(now + LONGEST_PATIENCE, &[false, true]));
    }
}
