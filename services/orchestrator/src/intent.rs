//! How an intent moves: one fact in, another state or none. No clock, no chain, no database in here.
//!
//! | fact            | from                                   | to                                             |
//! |-----------------|----------------------------------------|------------------------------------------------|
//! | Named           | PREPARED, SUBMITTED, DROPPED           | SUBMITTED                                      |
//! | Waiting         | all but FAILED, REPLACED               | SUBMITTED                                      |
//! | Included        | all but FAILED                         | MINED; CONFIRMED, READY or FAILED when deep    |
//! | Gone            | MINED, CONFIRMED, READY                | SUBMITTED                                      |
//! | Unseen for long | SUBMITTED                              | DROPPED                                        |
//! | Refused         | SUBMITTED, DROPPED                     | PREPARED, with TX_MISMATCH                     |
//! | NonceTaken      | SUBMITTED, DROPPED                     | REPLACED                                       |
//! | Catalogued      | CONFIRMED                              | READY                                          |
//! | Uncatalogued    | READY                                  | CONFIRMED                                      |
//! | CancelAsked     | PREPARED                               | CANCELLED                                      |
//! | TimePassed      | PREPARED                               | EXPIRED                                        |
//!
//! FAILED comes only from a reverted transaction that is as deep as the chain asks for: a reorganisation before that
//! steps back. The chain is right against the clock and the user: an EXPIRED or CANCELLED intent whose transaction is
//! there after all goes on.

use chrono::{DateTime, TimeDelta, Utc};
use ids::{Address, BlockHash, TokenId, TxHash};

use crate::model::{Intent, Kind, PendingCollection, Problem, Status};

/// What was learned of an intent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    /// Somebody says that this transaction carries it; nobody has seen it yet.
    Named(TxHash),
    /// A node knows our transaction, and no block holds it.
    Waiting(TxHash),
    /// A block holds our transaction.
    Included(Inclusion),
    /// The block that held it is not the chain's any more.
    Gone,
    /// No node knows what was named.
    Unseen { now: DateTime<Utc>, drop_after: TimeDelta },
    /// Everything that was named is something else.
    Refused,
    /// Another transaction of the wallet used the nonce, deep enough.
    NonceTaken,
    /// The catalog knows all that it brought.
    Catalogued(DateTime<Utc>),
    /// The catalog does not, or not any more.
    Uncatalogued,
    /// Its user does not want it any more.
    CancelAsked,
    /// Its deadline is over.
    TimePassed,
}

/// Our transaction in a block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inclusion {
    pub(crate) tx_hash: TxHash,
    pub(crate) block: (u64, BlockHash),
    /// Blocks on top of it, its own included.
    pub(crate) confirmations: u32,
    pub(crate) end: End,
}

/// How the transaction ended in its block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Done { contract: Option<Address>, token_ids: Vec<TokenId> },
    Reverted(Problem),
}

impl Intent {
    /// Whether people would see a difference; the tracker's own notes are none.
    pub(crate) fn looks_other_than(&self, before: &Intent) -> bool {
        let Intent { unseen_since, catalogued_at, .. } = *before;
        Intent { unseen_since, catalogued_at, ..self.clone() } != *before
    }

    /// Takes a fact in; true if that changed anything that is shown or kept.
    pub(crate) fn apply(&mut self, fact: &Fact) -> bool {
        let before = self.clone();
        self.take(fact);
        self.settle_pending();
        *self != before
    }

    fn take(&mut self, fact: &Fact) {
        use Status::{
            Cancelled, Confirmed, Dropped, Expired, Failed, Mined, Prepared, Ready, Replaced, Submitted,
        };
        match (fact, self.status) {
            (Fact::Named(tx_hash), Prepared | Submitted | Dropped) => {
                self.step_back(*tx_hash);
            }
            (
                Fact::Waiting(tx_hash),
                Prepared | Submitted | Mined | Confirmed | Ready | Cancelled | Dropped | Expired,
            ) => {
                self.step_back(*tx_hash);
            }
            (Fact::Included(_), Failed) => {}
            (Fact::Included(inclusion), _) => self.include(inclusion),
            (Fact::Gone, Mined | Confirmed | Ready) => {
                if let Some(tx_hash) = self.tx_hash {
                    self.step_back(tx_hash);
                }
            }
            (Fact::Unseen { now, drop_after }, Submitted) => {
                let since = *self.unseen_since.get_or_insert(*now);
                if *now - since >= *drop_after {
                    self.status = Dropped;
                }
            }
            (Fact::Refused, Submitted | Dropped) => {
                (self.status, self.tx_hash, self.unseen_since) = (Prepared, None, None);
                let message = "the reported transaction is not the prepared one".to_owned();
                self.problem = Some(Problem { code: "TX_MISMATCH".to_owned(), message });
            }
            (Fact::NonceTaken, Submitted | Dropped) => self.status = Replaced,
            (Fact::Catalogued(now), _) => {
                self.catalogued_at.get_or_insert(*now);
                if self.status == Confirmed {
                    self.status = Ready;
                }
            }
            (Fact::Uncatalogued, _) => {
                self.catalogued_at = None;
                if self.status == Ready {
                    self.status = Confirmed;
                }
            }
            (Fact::CancelAsked, Prepared) => self.status = Cancelled,
            (Fact::TimePassed, Prepared) => self.status = Expired,
            _ => {}
        }
    }

    /// To SUBMITTED, with nothing known but the hash.
    fn step_back(&mut self, tx_hash: TxHash) {
        self.status = Status::Submitted;
        self.tx_hash = Some(tx_hash);
        (self.problem, self.unseen_since) = (None, None);
        (self.confirmations, self.block) = (None, None);
        self.token_ids.clear();
        self.catalogued_at = None;
        if self.kind == Kind::CreateCollection {
            self.contract = None;
        }
    }

    fn include(&mut self, inclusion: &Inclusion) {
        let is_same_block = self.block == Some(inclusion.block) && self.tx_hash == Some(inclusion.tx_hash);
        if !is_same_block {
            self.step_back(inclusion.tx_hash);
        }
        self.unseen_since = None;
        self.block = Some(inclusion.block);
        let is_deep = inclusion.confirmations >= self.required_confirmations;
        self.status = match &inclusion.end {
            End::Done { contract, token_ids } => {
                self.problem = None;
                self.contract = contract.or(self.contract);
                self.token_ids.clone_from(token_ids);
                match (is_deep, self.catalogued_at) {
                    (true, Some(_)) => Status::Ready,
                    (true, None) => Status::Confirmed,
                    (false, _) => Status::Mined,
                }
            }
            End::Reverted(problem) => {
                self.problem = Some(problem.clone());
                if is_deep { Status::Failed } else { Status::Mined }
            }
        };
        // Every block brings a confirmation; where many are asked for, not each of them is news.
        let stride = (self.required_confirmations / 8).max(1);
        let shown = inclusion.confirmations.min(self.required_confirmations);
        if is_deep || self.confirmations.is_none_or(|before| shown >= before + stride || shown < before) {
            self.confirmations = Some(shown);
        }
    }

    /// What the catalog should hear of the collection that is about to be.
    fn settle_pending(&mut self) {
        use PendingCollection::{None, Put, PutDue, RemoveDue, Removed};
        if self.kind != Kind::CreateCollection {
            return;
        }
        self.pending = match (self.status, self.pending) {
            (Status::Submitted, None | Removed | RemoveDue) => PutDue,
            // It is a collection now: the chain's own word is on its way.
            (Status::Mined | Status::Confirmed | Status::Ready, PutDue) if self.problem.is_none() => None,
            (
                Status::Failed | Status::Replaced | Status::Cancelled | Status::Expired | Status::Prepared,
                PutDue | Put,
            ) => RemoveDue,
            (_, pending) => pending,
        };
    }

    /// When the tracker should look again; None when there is nothing left to see.
    pub(crate) fn next_look(&self, now: DateTime<Utc>, has_open_candidates: bool) -> Option<DateTime<Utc>> {
        let is_within = |limit: TimeDelta| now - self.updated_at < limit;
        // The longer nothing has happened, the rarer the looks.
        let patience = (now - self.updated_at) / 10;
        let soon = now + patience.clamp(TimeDelta::milliseconds(400), TimeDelta::seconds(30));
        let chain = match self.status {
            Status::Prepared => Some(self.deadline_at.max(now + TimeDelta::milliseconds(100))),
            Status::Submitted | Status::Mined | Status::Confirmed => Some(soon),
            // Both may turn out otherwise: a private pool gives a transaction back, a node lagged.
            Status::Dropped | Status::Replaced => {
                is_within(TimeDelta::days(1)).then(|| now + TimeDelta::seconds(60))
            }
            Status::Expired | Status::Cancelled => {
                (has_open_candidates && is_within(TimeDelta::hours(1))).then_some(soon)
            }
            Status::Ready | Status::Failed => None,
        };
        let is_untold = matches!(self.pending, PendingCollection::PutDue | PendingCollection::RemoveDue);
        let catalog = is_untold.then(|| now + TimeDelta::seconds(2));
        [chain, catalog].into_iter().flatten().min()
    }
}
