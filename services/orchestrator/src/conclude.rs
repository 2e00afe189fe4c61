//! What a look's sightings mean: facts for the last step, a state for each earlier one. Pure, so that it is tried on
//! chains that no node would show.

use chrono::{DateTime, TimeDelta, Utc};
use ids::TxHash;

use crate::{
    intent::{End, Fact, Inclusion, Taker},
    model::{Candidate, Intent, Judgement, Problem, Status, StepStatus},
};

/// What became of one hash.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sight {
    /// No node knows it, or not yet whether it is ours.
    Unseen,
    /// Nobody answered in time: nothing was learned of it.
    Unheard,
    /// A node knows it, and only its deep receipt can say whether it is ours.
    Visible,
    /// Ours, in no block yet.
    Waiting { nonce: Option<u64> },
    /// Ours, in a block.
    Mined { inclusion: Box<Inclusion>, nonce: Option<u64> },
    /// Seen, and not ours; in words, why.
    Other(String),
    /// Ours, and can come no more: its nonce was used by another one.
    Superseded { by: Taker, confirmations: u32, nonce: u64 },
}

impl Sight {
    fn is_waiting(&self) -> bool {
        matches!(self, Sight::Waiting { .. })
    }

    fn is_done(&self) -> bool {
        matches!(self, Sight::Mined { inclusion, .. } if matches!(inclusion.end, End::Done { .. }))
    }
}

/// What the chain says of the block that held the transaction when it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It was in no block.
    Nowhere,
    /// The block stands.
    Stands,
    /// Another block is in its place.
    Lost,
    /// The node has no block of this height: it lags, or the chain is about to be another one.
    Unknown,
}

/// A hash with what was seen of it. One that the tracker found by itself is not stored yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) candidate: Candidate,
    pub(crate) is_new: bool,
    pub(crate) sight: Sight,
    /// Whose act it is, where it is ours.
    pub(crate) act: String,
    /// The transaction that used its nonce, where that is another call.
    pub(crate) taker: Option<TxHash>,
    /// When a node was asked, where that is to be remembered.
    pub(crate) asked_at: Option<DateTime<Utc>>,
}

impl Seen {
    /// Whether it may still come.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.sight, Sight::Unseen | Sight::Unheard | Sight::Visible | Sight::Waiting { .. })
    }

    /// The hash as it is known now.
    pub(crate) fn as_known(&self) -> Candidate {
        let mut known = self.candidate.clone();
        if known.judgement != Judgement::Verified {
            (known.judgement, known.nonce) = match &self.sight {
                Sight::Waiting { nonce } | Sight::Mined { nonce, .. } => (Judgement::Verified, *nonce),
                Sight::Superseded { nonce, .. } => (Judgement::Verified, Some(*nonce)),
                Sight::Other(_) => (Judgement::Refused, None),
                Sight::Unseen | Sight::Unheard | Sight::Visible => (known.judgement, known.nonce),
            };
        }
        if let Sight::Mined { inclusion, .. } = &self.sight {
            known.block = Some(inclusion.block);
        }
        known.taker = self.taker.or(known.taker);
        known.asked_at = self.asked_at.or(known.asked_at);
        known
    }

    /// The hash as it is known now, if that is news.
    pub(crate) fn learned(&self) -> Option<Candidate> {
        let known = self.as_known();
        (known != self.candidate).then_some(known)
    }
}

/// The facts of the last step.
pub(crate) fn conclude(
    intent: &Intent,
    seen: &[Seen],
    held: Held,
    (now, drop_after): (DateTime<Utc>, TimeDelta),
) -> Vec<Fact> {
    if seen.is_empty() {
        return Vec::new();
    }
    // One of which nobody has told may be the one that counts.
    let is_partial = seen.iter().any(|seen| seen.sight == Sight::Unheard);
    let is_done = seen.iter().any(|seen| seen.sight.is_done());
    if let Some(inclusion) = best_inclusion(intent, seen) {
        return if is_partial && !is_done { Vec::new() } else { vec![Fact::Included(inclusion.clone())] };
    }
    let mut facts = Vec::new();
    match held {
        Held::Nowhere => {}
        Held::Lost => facts.push(Fact::Gone),
        // Nothing was learned: the node is in the middle of something.
        Held::Stands | Held::Unknown => return facts,
    }
    let open: Vec<&Seen> = seen.iter().filter(|seen| !is_refused(seen)).collect();
    if let Some(waiting) = open.iter().find(|seen| seen.sight.is_waiting()) {
        facts.push(Fact::Waiting(waiting.candidate.tx_hash));
        return facts;
    }
    if is_partial {
        return facts;
    }
    if let Some(visible) = open.iter().find(|seen| seen.sight == Sight::Visible) {
        facts.push(Fact::Visible(visible.candidate.tx_hash));
        return facts;
    }
    if open.is_empty() {
        let words = seen.iter().find_map(|seen| match &seen.sight {
            Sight::Other(words) => Some(words.clone()),
            _ => None,
        });
        // Where all were refused before, there is nothing new to say.
        facts.extend(words.map(Fact::Refused));
        return facts;
    }
    let is_long_unseen = intent.status == Status::Dropped
        || intent.unseen_since.is_some_and(|since| now - since >= drop_after);
    let takers: Vec<(Taker, u32)> = open
        .iter()
        .filter_map(|seen| match seen.sight {
            Sight::Superseded { by, confirmations, .. } => Some((by, confirmations)),
            _ => None,
        })
        .collect();
    // One whose nonce nobody knows may come at any time, and is not waited for for ever.
    let is_none_left = takers.len() == open.len() || (is_long_unseen && !takers.is_empty());
    let is_deep = takers.iter().all(|(_, confirmations)| *confirmations >= intent.required_confirmations);
    match (is_none_left, is_deep) {
        (true, true) => {
            let is_cancelled = takers.iter().all(|(by, _)| *by == Taker::Cancelling);
            facts.push(Fact::NonceTaken(if is_cancelled { Taker::Cancelling } else { Taker::Other }));
        }
        (true, false) => {}
        (false, _) => facts.push(Fact::Unseen { now, drop_after }),
    }
    facts
}

/// Several may be in blocks: one that did what it should counts before those that reverted, and of these the one that
/// is followed already.
fn best_inclusion<'a>(intent: &Intent, seen: &'a [Seen]) -> Option<&'a Inclusion> {
    let inclusions = seen.iter().filter_map(|seen| match &seen.sight {
        Sight::Mined { inclusion, .. } => Some(inclusion.as_ref()),
        _ => None,
    });
    inclusions.min_by_key(|inclusion| {
        let is_reverted = matches!(inclusion.end, End::Reverted(_));
        (is_reverted, intent.tx_hash != Some(inclusion.tx_hash), inclusion.block.0)
    })
}

fn is_refused(seen: &Seen) -> bool {
    let is_verified = seen.candidate.judgement == Judgement::Verified;
    seen.candidate.judgement == Judgement::Refused || (matches!(seen.sight, Sight::Other(_)) && !is_verified)
}

/// Where a step is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepState {
    pub(crate) status: StepStatus,
    pub(crate) tx_hash: Option<TxHash>,
    pub(crate) problem: Option<Problem>,
}

impl StepState {
    fn of(status: StepStatus, tx_hash: TxHash) -> StepState {
        StepState { status, tx_hash: Some(tx_hash), problem: None }
    }

    /// Whether it is closer to its end than another state of the same step.
    pub(crate) fn is_further_than(&self, other: StepStatus) -> bool {
        let rank = |status| match status {
            StepStatus::Prepared | StepStatus::Failed => 0,
            StepStatus::Submitted => 1,
            StepStatus::Mined => 2,
            StepStatus::Done => 3,
        };
        rank(self.status) > rank(other)
    }

    /// Whether the chain may still say something else of it soon.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status, StepStatus::Submitted | StepStatus::Mined)
    }
}

/// Where an earlier step is, by what was seen of its hashes; `seen` is newest first.
pub(crate) fn conclude_step(seen: &[Seen], required_confirmations: u32) -> StepState {
    let rank = |seen: &Seen| match &seen.sight {
        sight if sight.is_done() => 0,
        Sight::Waiting { .. } => 1,
        Sight::Unseen | Sight::Unheard | Sight::Visible => 2,
        Sight::Mined { .. } => 3,
        Sight::Superseded { .. } => 4,
        Sight::Other(_) => 5,
    };
    let told = |tx_hash: TxHash, status, code: &str, message: String| StepState {
        problem: Some(Problem { code: code.to_owned(), message }),
        ..StepState::of(status, tx_hash)
    };
    let Some(best) = seen.iter().min_by_key(|seen| rank(seen)) else {
        return StepState { status: StepStatus::Prepared, tx_hash: None, problem: None };
    };
    let tx_hash = best.candidate.tx_hash;
    match &best.sight {
        Sight::Mined { inclusion, .. } => match &inclusion.end {
            End::Done { .. } if inclusion.confirmations >= required_confirmations => {
                StepState::of(StepStatus::Done, tx_hash)
            }
            End::Done { .. } => StepState::of(StepStatus::Mined, tx_hash),
            End::Reverted(problem) => {
                told(tx_hash, StepStatus::Failed, &problem.code, problem.message.clone())
            }
        },
        Sight::Superseded { confirmations, .. } if *confirmations >= required_confirmations => {
            let message = "another transaction of the wallet used its nonce".to_owned();
            told(tx_hash, StepStatus::Failed, "TX_WILL_FAIL", message)
        }
        Sight::Waiting { .. }
        | Sight::Unseen
        | Sight::Unheard
        | Sight::Visible
        | Sight::Superseded { .. } => StepState::of(StepStatus::Submitted, tx_hash),
        Sight::Other(words) => {
            let message = format!("the reported transaction is not the prepared one: {words}");
            StepState { tx_hash: None, ..told(tx_hash, StepStatus::Prepared, "TX_MISMATCH", message) }
        }
    }
}

/// Where the last step is: its state is the intent's.
pub(crate) fn last_step(intent: &Intent) -> StepState {
    let status = match intent.status {
        Status::Prepared => StepStatus::Prepared,
        Status::Submitted | Status::Dropped => StepStatus::Submitted,
        Status::Mined => StepStatus::Mined,
        Status::Confirmed | Status::Ready => StepStatus::Done,
        Status::Failed | Status::Replaced => StepStatus::Failed,
        Status::Cancelled | Status::Expired if intent.tx_hash.is_some() => StepStatus::Failed,
        Status::Cancelled | Status::Expired => StepStatus::Prepared,
    };
    StepState { status, tx_hash: intent.tx_hash, problem: intent.problem.clone() }
}
