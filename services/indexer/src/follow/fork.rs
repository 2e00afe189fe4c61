//! Which blocks we believe in, and what a branch that the node shows makes of that belief. Pure: headers in, actions out.
//!
//! Only hashes count. A height says nothing after a reorganisation, and nodes do not tell of removed logs reliably.

use std::collections::VecDeque;

use ids::BlockHash;

use crate::model::Header;

/// A block as far as the shape of the chain is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) hash: BlockHash,
    pub(crate) parent_hash: BlockHash,
}

impl From<&Header> for Link {
    fn from(header: &Header) -> Link {
        Link { number: header.number, hash: header.hash, parent_hash: header.parent_hash }
    }
}

/// The newest canonical blocks as we have committed them, without gaps. Never empty.
#[derive(Debug, Clone)]
pub(crate) struct View {
    links: VecDeque<Link>,
    depth: u64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The node shows nothing that we do not have.
    Rest,
    /// The branch goes on where the view ends, from its item at `skip`.
    Extend {
        /// How many of the branch's first items the view has.
        skip: usize,
    },
    /// Everything above `ancestor` is no longer canonical.
    Retract {
        /// The newest block that both have.
        ancestor: u64,
    },
    /// The branch does not reach down to a common block: show it from this height on.
    AskFrom(u64),
    /// The common block, if there is one, is further down than may be taken back.
    TooDeep,
}

impl View {
    /// The window as it was stored, oldest first; `None` where it is empty or has a gap. `depth` blocks may be taken back.
    pub(crate) fn new(links: impl IntoIterator<Item = Link>, depth: u64) -> Option<View> {
        let links: VecDeque<Link> = links.into_iter().collect();
        let is_whole = !links.is_empty() && is_linked(links.iter());
        is_whole.then_some(View { links, depth })
    }

    /// The newest block.
    pub(crate) fn tip(&self) -> Link {
        *self.links.back().expect("a view is never empty")
    }

    /// How many blocks are remembered at most: a reorganisation may follow another one.
    pub(crate) const fn window(depth: u64) -> u64 {
        2 * depth + 1
    }

    /// Goes on by one block, which must build on the tip.
    pub(crate) fn push(&mut self, link: Link) {
        debug_assert!(is_linked([&self.tip(), &link]), "a view has no gaps");
        self.links.push_back(link);
        while self.links.len() as u64 > View::window(self.depth) {
            self.links.pop_front();
        }
    }

    /// Forgets what is above `ancestor`, newest first; the ancestor stays.
    pub(crate) fn retract(&mut self, ancestor: u64) -> Vec<Link> {
        let mut taken = Vec::new();
        while self.links.len() > 1 && self.tip().number > ancestor {
            taken.extend(self.links.pop_back());
        }
        taken
    }

    fn lowest(&self) -> u64 {
        self.links.front().expect("a view is never empty").number
    }

    fn hash_at(&self, number: u64) -> Option<BlockHash> {
        let index = usize::try_from(number.checked_sub(self.lowest())?).ok()?;
        self.links.get(index).map(|link| link.hash)
    }

    /// Compares with blocks that the node calls canonical: linked, oldest first.
    pub(crate) fn meet(&self, branch: &[Link]) -> Action {
        let ([first, ..], [.., last], tip) = (branch, branch, self.tip()) else { return Action::Rest };
        if last.number < self.lowest() {
            // So far back that nothing can be compared: a node that has only begun to read the chain must not halt it.
            return Action::Rest;
        }
        if first.number > tip.number + 1 {
            return Action::AskFrom(tip.number + 1);
        }
        let known = branch.iter().rposition(|link| self.hash_at(link.number) == Some(link.hash));
        let (ancestor, skip) = match known {
            Some(index) => (branch[index].number, index + 1),
            None => match first.number.checked_sub(1) {
                Some(below) if self.hash_at(below) == Some(first.parent_hash) => (below, 0),
                _ => return self.deeper(first.number),
            },
        };
        match (ancestor == tip.number, skip == branch.len()) {
            // An older block of ours: the node lags behind. If it means to leave our branch, its next block will tell.
            (_, true) => Action::Rest,
            (true, false) => Action::Extend { skip },
            (false, false) if tip.number - ancestor > self.depth => Action::TooDeep,
            (false, false) => Action::Retract { ancestor },
        }
    }

    /// The lowest block of a branch is `first`, and neither it nor its parent is ours.
    fn deeper(&self, first: u64) -> Action {
        let tip = self.tip().number;
        let floor = self.lowest().max(tip.saturating_sub(self.depth));
        // The parent of `first` has been compared already, so a common block would be at `first - 2` or below.
        if first <= floor + 1 {
            return Action::TooDeep;
        }
        // Twice as far with each question: one more for a reorganisation of one block, seven for one of sixty-four.
        let step = (tip + 1).saturating_sub(first).max(1) * 2;
        Action::AskFrom((tip + 1).saturating_sub(step).clamp(floor + 1, first - 1))
    }
}

/// Whether each block builds on the one before it.
pub(crate) fn is_linked<'a>(links: impl IntoIterator<Item = &'a Link>) -> bool {
    let mut before: Option<&Link> = None;
    links.into_iter().all(|link| {
        let fits =
            before.is_none_or(|before| link.number == before.number + 1 && link.parent_hash == before.hash);
        before = Some(link);
        fits
    })
}

#[cfg(test)]
#[path = "fork_tests.rs"]
mod tests;
