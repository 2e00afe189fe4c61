//! An intent, its steps, and what is known of the transactions that may carry them. Plain nouns; how an intent moves
//! from state to state is in `intent.rs`.

use amounts::U256;
use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, ChainId, Hash32, IntentId, StepId, TokenId, TxHash, UserId};
use serde_json::Value;

/// Writes an enum as the upper-case word that tables, events and the API share.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($variant),+ }

        impl $name {
            pub(crate) const ALL: &'static [$name] = &[$($name::$variant),+];

            pub(crate) const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            pub(crate) fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// What an intent is for.
    Kind { CreateCollection = "CREATE_COLLECTION", Mint721 = "MINT_721", Mint1155 = "MINT_1155" }
}
words! {
    /// Where an intent is on its way.
    Status {
        Prepared = "PREPARED",
        Submitted = "SUBMITTED",
        Mined = "MINED",
        Confirmed = "CONFIRMED",
        Ready = "READY",
        Failed = "FAILED",
        Replaced = "REPLACED",
        Cancelled = "CANCELLED",
        Dropped = "DROPPED",
        Expired = "EXPIRED",
    }
}
words! {
    /// What the catalog should hear, or has heard, of a collection that is about to be.
    PendingCollection { None = "none", PutDue = "put_due", Put = "put", RemoveDue = "remove_due", Removed = "removed" }
}
/// How a hash came to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Reported,
    Salt,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Source::Reported => "REPORTED",
            Source::Salt => "SALT",
        }
    }
}

words! {
    /// What is known of a hash: only a transaction that was seen is judged.
    Judgement { Unseen = "UNSEEN", Verified = "VERIFIED", Refused = "REFUSED" }
}

/// Why an intent is not where its user wants it; the code is one of the API's closed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// What a user is about to sign, followed to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Intent {
    pub(crate) intent_id: IntentId,
    pub(crate) kind: Kind,
    pub(crate) chain_id: ChainId,
    pub(crate) created_by: UserId,
    pub(crate) session_id: Option<String>,
    /// The wallet that signs.
    pub(crate) from: Address,
    /// The address that a create will have.
    pub(crate) preview_address: Option<Address>,
    /// By it a create's transaction finds the intent though nobody reported its hash.
    pub(crate) salt: Option<Hash32>,
    pub(crate) request_id: String,
    pub(crate) request_hash: Vec<u8>,
    pub(crate) payload: Value,
    pub(crate) required_confirmations: u32,
    pub(crate) deadline_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) revision: i64,
    pub(crate) status: Status,
    /// The transaction that is followed now.
    pub(crate) tx_hash: Option<TxHash>,
    pub(crate) problem: Option<Problem>,
    /// The collection: minted from, or made.
    pub(crate) contract: Option<Address>,
    pub(crate) token_ids: Vec<TokenId>,
    pub(crate) confirmations: Option<u32>,
    /// The block that holds the transaction.
    pub(crate) block: Option<(u64, BlockHash)>,
    /// Since when no node knows the transaction.
    pub(crate) unseen_since: Option<DateTime<Utc>>,
    pub(crate) catalogued_at: Option<DateTime<Utc>>,
    pub(crate) pending: PendingCollection,
}

/// One transaction to sign.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) step_id: StepId,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) transaction: Transaction,
    pub(crate) is_simulated: bool,
}

/// An unsigned EIP-1559 transaction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transaction {
    pub(crate) chain_id: ChainId,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) data: Vec<u8>,
    pub(crate) value: U256,
    pub(crate) gas: U256,
    pub(crate) max_fee_per_gas: U256,
    pub(crate) max_priority_fee_per_gas: U256,
}

/// A hash that may carry a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) step_id: StepId,
    pub(crate) tx_hash: TxHash,
    pub(crate) judgement: Judgement,
    /// Of the transaction, once it was seen.
    pub(crate) nonce: Option<u64>,
}

/// What the catalog said of one entity of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Catalogued {
    pub(crate) contract: Address,
    /// Empty: the collection itself.
    pub(crate) token_ids: Vec<TokenId>,
    pub(crate) is_removed: bool,
}

/// What the catalog says of transactions, as it comes in.
pub(crate) struct Told {
    pub(crate) chain_id: ChainId,
    pub(crate) tx_hashes: Vec<TxHash>,
    pub(crate) entity: String,
    pub(crate) revision: i64,
    pub(crate) contract: Address,
    /// Empty: the collection itself.
    pub(crate) token_ids: Vec<TokenId>,
    pub(crate) is_removed: bool,
    pub(crate) salts: Vec<Hash32>,
}

/// Whether all that the intent brought is in the catalog. `told` is in the order in which it was told: of two words on
/// one token the later one holds.
pub(crate) fn is_catalogued(intent: &Intent, told: &[Catalogued]) -> bool {
    let of_contract = || told.iter().rev().filter(|told| Some(told.contract) == intent.contract);
    let stands = |found: Option<&Catalogued>| found.is_some_and(|told| !told.is_removed);
    match intent.kind {
        Kind::CreateCollection => stands(of_contract().find(|told| told.token_ids.is_empty())),
        // A mint whose receipt shows no token of a known standard: any word on its transaction is all there will be.
        Kind::Mint721 | Kind::Mint1155 if intent.token_ids.is_empty() => stands(of_contract().next()),
        Kind::Mint721 | Kind::Mint1155 => {
            intent.token_ids.iter().all(|id| stands(of_contract().find(|told| told.token_ids.contains(id))))
        }
    }
}

/// Now, as precise as the database keeps it, so that what is stored is what was answered.
pub(crate) fn now() -> DateTime<Utc> {
    chrono::SubsecRound::trunc_subsecs(Utc::now(), 6)
}
