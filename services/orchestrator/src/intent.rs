//! How an intent moves: one fact in, another state or none. No clock, no chain, no database in here.
//!
//! The last step decides the intent. Where it is a transaction, facts come from the chain and the catalog; where it is
//! a signature (LIST, OFFER), they come from the user and the catalog. What a fact does in a state stands in
//! `docs/intents.md`, which a test compares with this file; in short, for transactions:
//!
//! | fact            | from                                             | to                                          |
//! |-----------------|--------------------------------------------------|---------------------------------------------|
//! | Named           | PREPARED, SUBMITTED, DROPPED                     | SUBMITTED                                   |
//! | Waiting         | all that are in no block                         | SUBMITTED                                   |
//! | Visible         | DROPPED                                          | SUBMITTED                                   |
//! | Included        | all                                              | MINED; CONFIRMED, READY or FAILED when deep |
//! | Gone            | MINED, CONFIRMED, READY, FAILED                  | SUBMITTED                                   |
//! | Unseen for long | SUBMITTED, REPLACED, CANCELLED by the wallet     | DROPPED                                     |
//! | Refused         | SUBMITTED, DROPPED                               | PREPARED, with TX_MISMATCH                  |
//! | NonceTaken      | SUBMITTED, DROPPED, REPLACED, CANCELLED likewise | CANCELLED by a cancellation, else REPLACED  |
//! | Catalogued      | CONFIRMED                                        | READY                                       |
//! | Uncatalogued    | READY                                            | CONFIRMED                                   |
//! | CancelAsked     | PREPARED                                         | CANCELLED                                   |
//! | TimePassed      | PREPARED                                         | EXPIRED                                     |
//!
//! and for signatures:
//!
//! | fact        | from                | to        |
//! |-------------|---------------------|-----------|
//! | Signed      | PREPARED            | SUBMITTED |
//! | Stored      | SUBMITTED           | READY     |
//! | Declined    | SUBMITTED           | FAILED    |
//! | CancelAsked | PREPARED            | CANCELLED |
//! | TimePassed  | PREPARED, SUBMITTED | EXPIRED   |
//!
//! FAILED comes only from a reverted transaction that is as deep as the chain asks for, and from an order that the
//! catalog will never take. Within one block nothing steps
//! back: a node that lags shows fewer confirmations than were seen already. The chain is right against the clock and
//! the user, and against what was taken for its end: a reorganisation that is deeper than the chain's confirmations
//! takes READY and FAILED back, and an EXPIRED, CANCELLED or REPLACED intent whose transaction is there after all goes
//! on.

use chrono::{DateTime, TimeDelta, Utc};
use ids::{Address, BlockHash, TokenId, TxHash};
use uuid::Uuid;

use crate::model::{Intent, Kind, PendingCollection, Problem, Status};

/// How long what ended without a block is looked at, for the case that the chain says otherwise.
const LINGERS: TimeDelta = TimeDelta::days(3);
/// How long what is done is watched where no node can say that its block is settled.
const WATCHED: TimeDelta = TimeDelta::days(30);
/// How long hashes that may still come are looked for often where the intent is over.
const LOOKS_BACK: TimeDelta = TimeDelta::hours(1);

/// What was learned of an intent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    /// Somebody says that this transaction carries it; nobody has seen it yet.
    Named(TxHash),
    /// A node knows our transaction, and no block holds it.
    Waiting(TxHash),
    /// Nodes know a transaction of which only a deep receipt can say whether it is ours.
    Visible(TxHash),
    /// A block holds our transaction.
    Included(Inclusion),
    /// The block that held it is not the chain's any more.
    Gone,
    /// No node knows what was named.
    Unseen { now: DateTime<Utc>, drop_after: TimeDelta },
    /// Everything that was named is something else; in words, what.
    Refused(String),
    /// Another transaction of the wallet used the nonce, deep enough.
    NonceTaken(Taker),
    /// The wallet's signature is stored on the last step.
    Signed,
    /// The catalog has the order, under this id.
    Stored(Uuid),
    /// The catalog will never take the order; in words, why.
    Declined(String),
    /// The catalog knows all that it brought.
    Catalogued(DateTime<Utc>),
    /// The catalog does not, or not any more.
    Uncatalogued,
    /// Its user does not want it any more.
    CancelAsked,
    /// Its deadline is over; that of a signed order is the order's own end.
    TimePassed,
}

/// Which transaction used the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taker {
    /// The wallet's way to cancel: to itself, with nothing.
    Cancelling,
    /// Any other one.
    Other,
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

/// What the tracker knows beside the intent when it decides when to look again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outlook {
    /// Something may still come: a hash of the last step that is in no block, or an earlier step on its way.
    pub(crate) is_open: bool,
    /// Its block is deeper than reorganisations of this chain reach.
    pub(crate) is_settled: bool,
}

impl Kind {
    /// Whether the last step is a signature.
    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Kind::List | Kind::Offer)
    }

    /// Whether the chain changes an order by it.
    fn moves_order(self) -> bool {
        matches!(self, Kind::Buy | Kind::AcceptOffer | Kind::CancelListing)
    }
}

impl Intent {
    /// Whether people would see a difference; the tracker's own notes are none.
    pub(crate) fn looks_other_than(&self, before: &Intent) -> bool {
        let Intent { unseen_since, catalogued_at, is_order_due, .. } = *before;
        Intent { unseen_since, catalogued_at, is_order_due, ..self.clone() } != *before
    }

    /// Takes a fact in; true if that changed anything that is shown or kept.
    pub(crate) fn apply(&mut self, fact: &Fact) -> bool {
        let before = self.clone();
        if self.kind.is_signed() {
            self.take_signed(fact);
        } else {
            self.take(fact);
        }
        self.settle_pending(before.status);
        let is_ready = |status| status == Status::Ready;
        if is_ready(before.status) != is_ready(self.status) && self.kind.moves_order() {
            self.is_order_due = self.order_id.is_some();
        }
        *self != before
    }

    fn take_signed(&mut self, fact: &Fact) {
        self.status = match (fact, self.status) {
            (Fact::Signed, Status::Prepared) => Status::Submitted,
            (Fact::Stored(order_id), Status::Submitted) => {
                self.order_id = Some(*order_id);
                Status::Ready
            }
            (Fact::Declined(words), Status::Submitted) => {
                let message = format!("the catalog does not take the order: {words}");
                self.problem = Some(Problem { code: "ORDER_INVALID".to_owned(), message });
                Status::Failed
            }
            (Fact::CancelAsked, Status::Prepared) => Status::Cancelled,
            (Fact::TimePassed, Status::Prepared | Status::Submitted) => Status::Expired,
            (_, status) => status,
        };
    }

    fn take(&mut self, fact: &Fact) {
        use Status::{
            Cancelled, Confirmed, Dropped, Expired, Failed, Mined, Prepared, Ready, Replaced, Submitted,
        };
        let is_sent = self.tx_hash.is_some();
        match (fact, self.status) {
            (Fact::Named(tx_hash), Prepared | Submitted | Dropped)
            | (Fact::Waiting(tx_hash), Prepared | Submitted | Replaced | Cancelled | Dropped | Expired) => {
                self.step_back(*tx_hash)
            }
            (Fact::Visible(_), Submitted) => self.unseen_since = None,
            (Fact::Visible(tx_hash), Dropped) => self.step_back(*tx_hash),
            (Fact::Included(inclusion), _) => self.include(inclusion),
            (Fact::Gone, Mined | Confirmed | Ready | Failed) => {
                if let Some(tx_hash) = self.tx_hash {
                    self.step_back(tx_hash);
                }
            }
            (Fact::Unseen { now, drop_after }, Submitted | Replaced | Cancelled) if is_sent => {
                let since = *self.unseen_since.get_or_insert(*now);
                if *now - since >= *drop_after {
                    self.status = Dropped;
                }
            }
            (Fact::Refused(words), Submitted | Dropped) => {
                (self.status, self.tx_hash, self.unseen_since) = (Prepared, None, None);
                let message = format!("the reported transaction is not the prepared one: {words}");
                self.problem = Some(Problem { code: "TX_MISMATCH".to_owned(), message });
            }
            (Fact::NonceTaken(by), Submitted | Dropped | Replaced | Cancelled) if is_sent => {
                self.unseen_since = None;
                self.status = match by {
                    Taker::Cancelling => Cancelled,
                    Taker::Other => Replaced,
                };
            }
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

    /// To SUBMITTED, with nothing known but the hash and what was known when it was prepared.
    fn step_back(&mut self, tx_hash: TxHash) {
        self.status = Status::Submitted;
        self.tx_hash = Some(tx_hash);
        (self.problem, self.unseen_since) = (None, None);
        (self.confirmations, self.block) = (None, None);
        self.catalogued_at = None;
        match self.kind {
            Kind::CreateCollection => self.contract = None,
            Kind::Mint721 | Kind::Mint1155 => self.token_ids.clear(),
            _ => {}
        }
    }

    fn include(&mut self, inclusion: &Inclusion) {
        let is_same_block = self.block == Some(inclusion.block) && self.tx_hash == Some(inclusion.tx_hash);
        let was_deep =
            is_same_block && matches!(self.status, Status::Confirmed | Status::Ready | Status::Failed);
        if !is_same_block {
            self.step_back(inclusion.tx_hash);
        }
        self.unseen_since = None;
        self.block = Some(inclusion.block);
        let is_deep = was_deep || inclusion.confirmations >= self.required_confirmations;
        self.status = match &inclusion.end {
            End::Done { contract, token_ids } => {
                self.problem = None;
                match self.kind {
                    Kind::CreateCollection => self.contract = contract.or(self.contract),
                    Kind::Mint721 | Kind::Mint1155 => self.token_ids.clone_from(token_ids),
                    _ => {}
                }
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
        let shown = if is_deep { self.required_confirmations } else { inclusion.confirmations };
        if self.confirmations.is_none_or(|before| shown >= before + stride || (is_deep && shown != before)) {
            self.confirmations = Some(shown);
        }
    }

    /// What the catalog should hear of the collection that is about to be.
    fn settle_pending(&mut self, before: Status) {
        use PendingCollection::{None, Put, PutDue, RemoveDue, Removed};
        if self.kind != Kind::CreateCollection {
            return;
        }
        let was_in_block = matches!(before, Status::Mined | Status::Confirmed | Status::Ready);
        self.pending = match (self.status, self.pending) {
            (Status::Submitted, None | Removed | RemoveDue) => PutDue,
            // The catalog may have taken it for the chain's and have had it taken back.
            (Status::Submitted, Put) if was_in_block => PutDue,
            // It is a collection now: the chain's own word is on its way.
            (Status::Mined | Status::Confirmed | Status::Ready, PutDue | RemoveDue)
                if self.problem.is_none() =>
            {
                None
            }
            (
                Status::Failed
                | Status::Replaced
                | Status::Cancelled
                | Status::Expired
                | Status::Prepared
                | Status::Dropped,
                PutDue | Put,
            ) => RemoveDue,
            (_, pending) => pending,
        };
    }

    /// When the tracker should look again; None when there is nothing left to see.
    pub(crate) fn next_look(&self, now: DateTime<Utc>, outlook: Outlook) -> Option<DateTime<Utc>> {
        let age = self.age(now);
        // The longer nothing has happened, the rarer the looks.
        let soon = now + (age / 10).clamp(TimeDelta::milliseconds(400), TimeDelta::seconds(30));
        let rarely = now + (age / 10).clamp(TimeDelta::seconds(5), TimeDelta::minutes(10));
        // What was sent may turn out otherwise: a private pool gives it back, a node lagged, the chain reorganised.
        let lingering = (self.tx_hash.is_some() && age < LINGERS).then_some(rarely);
        let own = match self.status {
            Status::Prepared => Some(self.deadline_at.max(now + TimeDelta::milliseconds(100))),
            Status::Submitted | Status::Mined | Status::Confirmed => Some(soon),
            Status::Ready | Status::Failed if self.kind.is_signed() || outlook.is_settled => None,
            Status::Ready | Status::Failed => (age < WATCHED).then_some(rarely),
            Status::Dropped | Status::Replaced | Status::Cancelled | Status::Expired => lingering,
        };
        let open = match self.status {
            Status::Prepared => outlook.is_open.then_some(soon),
            _ if age < LOOKS_BACK => outlook.is_open.then_some(soon),
            _ => (outlook.is_open && age < LINGERS).then_some(rarely),
        };
        let is_untold = matches!(self.pending, PendingCollection::PutDue | PendingCollection::RemoveDue);
        let catalog = (is_untold || self.is_order_due).then(|| now + self.patience(now));
        [own, open, catalog].into_iter().flatten().min()
    }

    /// How long somebody who does not answer is left alone: the longer, the longer nothing has come of it.
    pub(crate) fn patience(&self, now: DateTime<Utc>) -> TimeDelta {
        (self.age(now) / 10).clamp(TimeDelta::seconds(2), TimeDelta::minutes(10))
    }

    /// How long nothing has changed. Clocks may step back; time does not.
    fn age(&self, now: DateTime<Utc>) -> TimeDelta {
        (now - self.updated_at).max(TimeDelta::zero())
    }
}
