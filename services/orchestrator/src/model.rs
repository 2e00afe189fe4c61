//! An intent, its steps, and what is known of the transactions that may carry them. Plain nouns; how an intent moves
//! from state to state is in `intent.rs`.

use amounts::U256;
use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, ChainId, Hash32, IntentId, StepId, TokenId, TxHash, UserId};
use serde_json::Value;
use uuid::Uuid;

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
    Kind {
        CreateCollection = "CREATE_COLLECTION",
        Mint721 = "MINT_721",
        Mint1155 = "MINT_1155",
        Approve = "APPROVE",
        List = "LIST",
        Buy = "BUY",
        CancelListing = "CANCEL_LISTING",
        Offer = "OFFER",
        AcceptOffer = "ACCEPT_OFFER",
        RevokeApproval = "REVOKE_APPROVAL",
    }
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
    /// Where one step is. The last step decides the intent; those before it are only cleared out of the way.
    StepStatus {
        Prepared = "PREPARED",
        Submitted = "SUBMITTED",
        Mined = "MINED",
        Done = "DONE",
        Failed = "FAILED",
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
    /// Found in the chain under the nonce of one that was known.
    Nonce,
}

impl Source {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Source::Reported => "REPORTED",
            Source::Salt => "SALT",
            Source::Nonce => "NONCE",
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
    /// The order that it makes, fills or cancels, as the catalog names it.
    pub(crate) order_id: Option<Uuid>,
    /// Whether the catalog follows the contract, so that READY waits for its word.
    pub(crate) awaits_catalog: bool,
    /// Whether the catalog should hear what the chain says of the order now.
    pub(crate) is_order_due: bool,
    /// Whether the wallet is a contract account; None where nobody could tell when it was prepared.
    pub(crate) is_contract_account: Option<bool>,
}

/// One transaction to send, or one message to sign.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) step_id: StepId,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) act: Act,
    pub(crate) is_simulated: bool,
    pub(crate) status: StepStatus,
    /// The transaction that carries it.
    pub(crate) tx_hash: Option<TxHash>,
    pub(crate) problem: Option<Problem>,
    /// What the wallet signed, of a message.
    pub(crate) signature: Option<Vec<u8>>,
}

/// What a step asks of the wallet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Send(Transaction),
    /// EIP-712, as `eth_signTypedData_v4` takes it.
    Sign(Value),
}

impl Step {
    pub(crate) fn transaction(&self) -> Option<&Transaction> {
        match &self.act {
            Act::Send(transaction) => Some(transaction),
            Act::Sign(_) => None,
        }
    }
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
    /// The transaction that used its nonce in its place, once that was found.
    pub(crate) taker: Option<TxHash>,
    /// The block in which it was seen last.
    pub(crate) block: Option<(u64, BlockHash)>,
    pub(crate) reported_at: Option<DateTime<Utc>>,
    /// When a node was asked last, of one that none has shown for long.
    pub(crate) asked_at: Option<DateTime<Utc>>,
}

impl Candidate {
    /// One that is new.
    pub(crate) fn new(
        step_id: StepId,
        tx_hash: TxHash,
        judgement: Judgement,
        nonce: Option<u64>,
    ) -> Candidate {
        let (taker, block, reported_at, asked_at) = (None, None, None, None);
        Candidate { step_id, tx_hash, judgement, nonce, taker, block, reported_at, asked_at }
    }
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

/// What the catalog's words on an intent's transaction say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// All that it brought is there.
    There,
    /// Some of it was taken back.
    Removed,
    /// Of some of it nothing was said, which takes nothing back: old words are not kept for ever.
    Unsaid,
}

/// Whether all that the intent brought is in the catalog. `told` is in the order in which it was told: of two words on
/// one token the later one holds.
pub(crate) fn catalogued(intent: &Intent, told: &[Catalogued]) -> Word {
    let of_contract = || told.iter().rev().filter(|told| Some(told.contract) == intent.contract);
    let says = |found: Option<&Catalogued>| match found {
        Some(told) if told.is_removed => Word::Removed,
        Some(_) => Word::There,
        None => Word::Unsaid,
    };
    let all_tokens = || {
        let words = intent.token_ids.iter();
        let words = words.map(|id| says(of_contract().find(|told| told.token_ids.contains(id))));
        words.fold(Word::There, |all, word| match (all, word) {
            (Word::Removed, _) | (_, Word::Removed) => Word::Removed,
            (Word::Unsaid, _) | (_, Word::Unsaid) => Word::Unsaid,
            (Word::There, Word::There) => Word::There,
        })
    };
    match intent.kind {
        Kind::CreateCollection => says(of_contract().find(|told| told.token_ids.is_empty())),
        // A mint whose receipt shows no token of a known standard: any word on its transaction is all there will be.
        Kind::Mint721 | Kind::Mint1155 if intent.token_ids.is_empty() => says(of_contract().next()),
        Kind::Mint721 | Kind::Mint1155 => all_tokens(),
        Kind::Buy | Kind::AcceptOffer if intent.awaits_catalog => all_tokens(),
        // The chain's word is all there is.
        _ => Word::There,
    }
}

/// Now, as precise as the database keeps it, so that what is stored is what was answered.
pub(crate) fn now() -> DateTime<Utc> {
    chrono::SubsecRound::trunc_subsecs(Utc::now(), 6)
}
