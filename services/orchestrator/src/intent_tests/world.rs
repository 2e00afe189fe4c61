//! A chain, a pool and a catalog that do whatever they like, and a tracker over them that is made of the real rules:
//! `conclude`, the machine and `next_look`. What is stored is in `World`; nothing else survives a look.

use std::collections::BTreeSet;

use chrono::DateTime;
use ids::StepId;

use super::*;
use crate::{
    conclude::{Held, Seen, Sight, conclude},
    intent::{Outlook, Taker},
    model::{Candidate, Judgement},
};

pub(super) const REQUIRED: u32 = 3;
/// No reorganisation reaches so deep.
pub(super) const SETTLED: usize = 8;
const DROP_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The transactions that may come to be: three that are the prepared call (two of them under one nonce), a
/// cancellation, two other calls, and one that is somebody else's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum What {
    Ours,
    Cancelling,
    Other,
    Foreign,
}

pub(super) const ALL: [(What, u64); 7] = [
    (What::Ours, 0),
    (What::Ours, 0),
    (What::Ours, 1),
    (What::Cancelling, 0),
    (What::Other, 0),
    (What::Other, 1),
    (What::Foreign, 0),
];

pub(super) fn hash(id: usize) -> TxHash {
    Hash32::new([u8::try_from(id + 1).unwrap(); 32])
}

fn seen(candidate: Candidate, is_new: bool, sight: Sight) -> Seen {
    Seen { candidate, is_new, sight, act: String::new(), taker: None, asked_at: None }
}

fn id_of(tx_hash: TxHash) -> usize {
    (0..ALL.len()).find(|id| hash(*id) == tx_hash).unwrap()
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    hash: BlockHash,
    /// One at most, and whether it reverted.
    pub(super) tx: Option<(usize, bool)>,
}

pub(super) struct World {
    pub(super) intent: Intent,
    pub(super) candidates: Vec<Candidate>,
    pub(super) next_look_at: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
    pub(super) chain: Vec<Block>,
    pub(super) pool: BTreeSet<usize>,
    pub(super) catalogued: BTreeSet<usize>,
    step_id: StepId,
    blocks_made: u64,
    longest: usize,
    /// What a look at this moment is not told.
    silent: u8,
    is_pruned: bool,
}

impl World {
    pub(super) fn new(kind: Kind) -> World {
        let mut intent = intent(kind, Status::Prepared);
        intent.required_confirmations = REQUIRED;
        intent.deadline_at = intent.created_at + TimeDelta::hours(1);
        let now = intent.created_at;
        let mut world = World {
            next_look_at: Some(intent.deadline_at),
            intent,
            candidates: vec![],
            now,
            chain: vec![],
            pool: BTreeSet::new(),
            catalogued: BTreeSet::new(),
            step_id: StepId::new(),
            blocks_made: 0,
            longest: 0,
            silent: 0,
            is_pruned: false,
        };
        world.mine(None);
        world
    }

    pub(super) fn mine(&mut self, tx: Option<(usize, bool)>) {
        self.blocks_made += 1;
        let mut hash = [9; 32];
        hash[..8].copy_from_slice(&self.blocks_made.to_be_bytes());
        self.chain.push(Block { hash: Hash32::new(hash), tx });
        self.longest = self.longest.max(self.chain.len());
        if let Some((id, _)) = tx {
            self.pool.remove(&id);
        }
    }

    /// How many transactions the account has sent, as a view of the chain knows it.
    pub(super) fn nonce(view: &[Block]) -> u64 {
        let sent = view.iter().filter_map(|block| block.tx).filter(|(id, _)| ALL[*id].0 != What::Foreign);
        sent.count().try_into().unwrap()
    }

    pub(super) fn can_mine(&self, id: usize) -> bool {
        let is_there = self.chain.iter().any(|block| block.tx.is_some_and(|(there, _)| there == id));
        !is_there && (ALL[id].0 == What::Foreign || ALL[id].1 == World::nonce(&self.chain))
    }

    /// Takes the last blocks back, never deeper than is settled; others come in their place, or not yet.
    pub(super) fn reorganise(&mut self, depth: usize, is_kept: bool, is_replaced: bool) {
        let floor = self.longest.saturating_sub(SETTLED - 1).max(1);
        let lost =
            self.chain.split_off(self.chain.len().saturating_sub(depth).max(floor).min(self.chain.len()));
        for block in &lost {
            if let Some((id, _)) = block.tx.filter(|_| is_kept) {
                self.pool.insert(id);
            }
        }
        if is_replaced {
            lost.iter().for_each(|_| self.mine(None));
        }
    }

    pub(super) fn report(&mut self, id: usize) {
        let tx_hash = hash(id);
        if self.candidates.iter().any(|known| known.tx_hash == tx_hash) {
            return;
        }
        let (sight, nonce) = match self.sight(&self.chain.clone(), tx_hash, None) {
            Sight::Other(_) => return,
            Sight::Waiting { nonce } | Sight::Mined { nonce, .. } => (Judgement::Verified, nonce),
            _ => (Judgement::Unseen, None),
        };
        let is_proven = sight == Judgement::Verified;
        let is_accepted = match self.intent.status {
            Status::Prepared | Status::Submitted | Status::Dropped => true,
            Status::Expired | Status::Cancelled | Status::Replaced => is_proven,
            _ => false,
        };
        if !is_accepted {
            return;
        }
        let step_id = self.step_id;
        self.candidates.insert(0, Candidate::new(step_id, tx_hash, sight, nonce));
        let fact = if is_proven { Fact::Waiting(tx_hash) } else { Fact::Named(tx_hash) };
        self.take(&[fact], None);
        self.next_look_at = Some(self.now);
    }

    pub(super) fn cancel(&mut self) {
        if self.intent.status == Status::Prepared {
            self.take(&[Fact::CancelAsked], None);
            self.next_look_at = self.intent.next_look(self.now, Outlook::default());
        }
    }

    pub(super) fn catalogue(&mut self, id: usize, is_there: bool) {
        if is_there {
            self.catalogued.insert(id);
        } else {
            self.catalogued.remove(&id);
        }
        let is_carried = self
            .candidates
            .iter()
            .any(|known| known.tx_hash == hash(id) && known.judgement != Judgement::Refused);
        if is_carried {
            self.next_look_at = Some(self.now);
        }
    }

    fn sight(&self, view: &[Block], tx_hash: TxHash, known_nonce: Option<u64>) -> Sight {
        let id = id_of(tx_hash);
        let (what, nonce) = ALL[id];
        let place = view.iter().position(|block| block.tx.is_some_and(|(there, _)| there == id));
        let depth = |place: usize| u32::try_from(view.len() - place).unwrap();
        match (what, place) {
            (What::Ours, Some(place)) => {
                let is_reverted = view[place].tx.is_some_and(|(_, is_reverted)| is_reverted);
                let inclusion = Inclusion {
                    tx_hash,
                    block: (place as u64, view[place].hash),
                    confirmations: depth(place),
                    end: if is_reverted { reverted() } else { done() },
                };
                Sight::Mined { inclusion: Box::new(inclusion), nonce: Some(nonce) }
            }
            (What::Ours, None) => {
                let is_waiting = self.pool.contains(&id);
                let nonce = if is_waiting { Some(nonce) } else { known_nonce };
                let taker = nonce.and_then(|nonce| World::taker(view, nonce));
                match (taker.zip(nonce), is_waiting) {
                    (Some(((place, taker), nonce)), _) => {
                        let is_empty = ALL[taker].0 == What::Cancelling && !self.is_pruned;
                        let by = if is_empty { Taker::Cancelling } else { Taker::Other };
                        Sight::Superseded { by, confirmations: depth(place), nonce }
                    }
                    (None, true) => Sight::Waiting { nonce },
                    (None, false) => Sight::Unseen,
                }
            }
            _ if place.is_some() || self.pool.contains(&id) => Sight::Other("it is another call".to_owned()),
            _ => Sight::Unseen,
        }
    }

    /// The transaction of the account that has this nonce, and its block.
    pub(super) fn taker(view: &[Block], nonce: u64) -> Option<(usize, usize)> {
        let sent = view.iter().enumerate().filter_map(|(place, block)| Some((place, block.tx?.0)));
        let mut own = sent.filter(|(_, id)| ALL[*id].0 != What::Foreign);
        own.nth(nonce.try_into().unwrap())
    }

    fn see_all(&self, view: &[Block]) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        for candidate in self.candidates.iter().filter(|known| known.judgement != Judgement::Refused) {
            let mut sight = self.sight(view, candidate.tx_hash, candidate.nonce);
            if self.silent & (1 << id_of(candidate.tx_hash)) != 0 {
                sight = Sight::Unheard;
            }
            all.push(seen(candidate.clone(), false, sight));
        }
        let superseded = all.iter().filter(|seen| matches!(seen.sight, Sight::Superseded { .. }));
        let nonces: Vec<u64> = superseded.map(|seen| ALL[id_of(seen.candidate.tx_hash)].1).collect();
        for nonce in nonces {
            let Some((_, taker)) = World::taker(view, nonce).filter(|_| !self.is_pruned) else { continue };
            let tx_hash = hash(taker);
            if ALL[taker].0 == What::Ours && all.iter().all(|seen| seen.candidate.tx_hash != tx_hash) {
                let (step_id, judgement) = (self.step_id, Judgement::Verified);
                let candidate = Candidate::new(step_id, tx_hash, judgement, Some(nonce));
                let sight = self.sight(view, tx_hash, Some(nonce));
                all.push(seen(candidate, true, sight));
            }
        }
        all
    }

    /// A look at which the node answers of some hashes alone (a bit for each transaction that it says nothing of), or
    /// has forgotten who used a nonce.
    pub(super) fn look_askew(&mut self, silent: u8, is_pruned: bool) {
        (self.silent, self.is_pruned) = (silent, is_pruned);
        self.look(0, false);
        (self.silent, self.is_pruned) = (0, false);
    }

    /// The tracker's look, once it is due; `lag` blocks are unknown to the node that is asked, and `is_lost` looks end
    /// before they are written.
    pub(super) fn look(&mut self, lag: usize, is_lost: bool) {
        let Some(due) = self.next_look_at else { return };
        self.now = self.now.max(due);
        let view = self.chain[..self.chain.len().saturating_sub(lag).max(1)].to_vec();
        let held = match self.intent.block {
            None => Held::Nowhere,
            Some((number, hash)) => match view.get(usize::try_from(number).unwrap()) {
                Some(block) if block.hash == hash => Held::Stands,
                Some(_) => Held::Lost,
                None => Held::Unknown,
            },
        };
        let is_watched = self.intent.status == Status::Ready && held == Held::Stands;
        let seen = if is_watched { vec![] } else { self.see_all(&view) };
        let facts = conclude(&self.intent, &seen, held, (self.now, DROP_AFTER));
        let depth = self.intent.block.map_or(0, |(number, _)| view.len() - (number as usize).min(view.len()));
        let is_settled = held == Held::Stands && depth >= SETTLED;
        if is_lost {
            return;
        }
        for seen in &seen {
            if seen.is_new {
                self.candidates.insert(0, seen.as_known());
            } else if let Some(learned) = seen.learned() {
                *self.candidates.iter_mut().find(|known| **known == seen.candidate).unwrap() = learned;
            }
        }
        self.take(&facts, Some(&view));
        if let Some(tx_hash) = self.intent.tx_hash.filter(|_| self.intent.block.is_some()) {
            let is_there = self.catalogued.contains(&id_of(tx_hash));
            let fact = if is_there { Fact::Catalogued(self.now) } else { Fact::Uncatalogued };
            self.take(&[fact], Some(&view));
        }
        let is_open = match is_watched {
            true => self.candidates.iter().any(|known| known.judgement == Judgement::Unseen),
            false => seen.iter().any(Seen::is_open),
        };
        if self.now >= self.intent.deadline_at && self.intent.status == Status::Prepared && !is_open {
            self.take(&[Fact::TimePassed], None);
        }
        self.next_look_at = self.intent.next_look(self.now, Outlook { is_open, is_settled });
    }

    /// Applies facts as the tracker does, and checks what must hold of every step of every story.
    fn take(&mut self, facts: &[Fact], view: Option<&[Block]>) {
        let start = self.intent.clone();
        for fact in facts {
            let before = self.intent.clone();
            self.intent.apply(fact);
            let (from, to) = (before.status, self.intent.status);
            assert!(from == to || is_allowed(fact, from, to), "{fact:?} leads from {from:?} to {to:?}");
            self.check(from, view);
            if let (Fact::NonceTaken(_), Some(view)) = (fact, view) {
                self.check_taken(&before, view);
            }
        }
        let mut again = self.intent.clone();
        for fact in facts {
            again.apply(fact);
        }
        assert_eq!(again, self.intent, "the same facts again change something: {facts:?} from {start:?}");
        // The collection is told of at once, as by a catalog that always answers.
        self.intent.pending = match self.intent.pending {
            PendingCollection::PutDue => PendingCollection::Put,
            PendingCollection::RemoveDue => PendingCollection::Removed,
            told => told,
        };
        self.intent.is_order_due = false;
        if self.intent.looks_other_than(&start) {
            self.intent.revision = start.revision + 1;
            self.intent.updated_at = self.now;
        } else {
            assert_eq!(self.intent.status, start.status, "a state changes without a revision");
        }
    }

    /// A nonce is only called taken where no hash that may still come is left, or is believed in any more.
    fn check_taken(&self, before: &Intent, view: &[Block]) {
        let is_given_up = before.status == Status::Dropped
            || before.unseen_since.is_some_and(|since| self.now - since >= DROP_AFTER);
        for known in self.candidates.iter().filter(|known| known.judgement != Judgement::Refused) {
            let taker = known.nonce.and_then(|nonce| World::taker(view, nonce));
            let is_deep = taker.is_some_and(|(place, _)| view.len() - place >= REQUIRED as usize);
            assert!(is_deep || is_given_up, "{:?} may still come", known.tx_hash);
        }
    }

    fn check(&self, from: Status, view: Option<&[Block]>) {
        let intent = &self.intent;
        let is_in_block = intent.block.is_some();
        match intent.status {
            Status::Mined => assert!(is_in_block && intent.tx_hash.is_some()),
            Status::Confirmed | Status::Ready => assert!(is_in_block && intent.problem.is_none()),
            Status::Failed => assert!(is_in_block && intent.problem.is_some()),
            Status::Submitted => assert!(!is_in_block && intent.tx_hash.is_some()),
            Status::Prepared | Status::Expired => assert!(!is_in_block && intent.tx_hash.is_none()),
            Status::Replaced | Status::Dropped => assert!(!is_in_block && intent.tx_hash.is_some()),
            Status::Cancelled => assert!(!is_in_block),
        }
        if intent.status == Status::Ready {
            assert!(intent.catalogued_at.is_some());
        }
        // A final word is only said of what is deep; a view that lags cannot know that it is deeper.
        let is_final = from != intent.status && matches!(intent.status, Status::Confirmed | Status::Failed);
        if let (true, Some(view), Some((number, hash))) = (is_final, view, intent.block) {
            let place = usize::try_from(number).unwrap();
            if view.get(place).is_some_and(|block| block.hash == hash) {
                assert!(self.chain.len() - place >= REQUIRED as usize, "{:?} is shallow", intent.status);
            }
        }
    }
}

/// The edges that readers may see, written down a second time.
fn is_allowed(fact: &Fact, from: Status, to: Status) -> bool {
    use Status::{
        Cancelled, Confirmed, Dropped, Expired, Failed, Mined, Prepared, Ready, Replaced, Submitted,
    };
    match fact {
        Fact::Named(_) => matches!((from, to), (Prepared | Dropped, Submitted)),
        Fact::Waiting(_) => {
            matches!((from, to), (Prepared | Replaced | Cancelled | Dropped | Expired, Submitted))
        }
        Fact::Visible(_) => matches!((from, to), (Dropped, Submitted)),
        Fact::Included(Inclusion { end: End::Done { .. }, confirmations, .. }) => {
            to == Mined || (*confirmations >= REQUIRED && matches!(to, Confirmed | Ready))
        }
        Fact::Included(Inclusion { end: End::Reverted(_), confirmations, .. }) => {
            to == Mined || (*confirmations >= REQUIRED && to == Failed)
        }
        Fact::Gone => matches!((from, to), (Mined | Confirmed | Ready | Failed, Submitted)),
        Fact::Unseen { .. } => matches!((from, to), (Submitted | Replaced | Cancelled, Dropped)),
        Fact::Refused(_) => matches!((from, to), (Submitted | Dropped, Prepared)),
        Fact::NonceTaken(Taker::Cancelling) => {
            matches!((from, to), (Submitted | Dropped | Replaced, Cancelled))
        }
        Fact::NonceTaken(Taker::Other) => matches!((from, to), (Submitted | Dropped | Cancelled, Replaced)),
        Fact::Signed => matches!((from, to), (Prepared, Submitted)),
        Fact::Stored(_) => matches!((from, to), (Submitted, Ready)),
        Fact::Declined(_) => matches!((from, to), (Submitted, Failed)),
        Fact::Catalogued(_) => matches!((from, to), (Confirmed, Ready)),
        Fact::Uncatalogued => matches!((from, to), (Ready, Confirmed)),
        Fact::CancelAsked => matches!((from, to), (Prepared, Cancelled)),
        Fact::TimePassed => matches!((from, to), (Prepared | Submitted, Expired)),
    }
}
