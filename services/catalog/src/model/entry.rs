//! An event of a chain as the ledger keeps it.

use std::collections::HashMap;

use amounts::U256;
use chrono::{DateTime, Utc};
use events::{
    Standard,
    chain::{Block, event_id},
    mints::TokenMoved,
};
use ids::{Address, BlockHash, ChainId, TokenId, TxHash};
use serde_json::Value;
use uuid::Uuid;

use super::{Aspect, token_row};

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Created,
    Updated,
    Minted,
    Transferred,
    Burned,
    Metadata,
    Approval,
    Validated,
    Fulfilled,
    Cancelled,
    Counter,
    Payment,
}

impl Kind {
    /// The word in the ledger and in `changed` of what is told.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Kind::Created => "created",
            Kind::Updated => "updated",
            Kind::Minted => "minted",
            Kind::Transferred => "transferred",
            Kind::Burned => "burned",
            Kind::Metadata => "metadata",
            Kind::Approval => "approval",
            Kind::Validated => "validated",
            Kind::Fulfilled => "fulfilled",
            Kind::Cancelled => "cancelled",
            Kind::Counter => "counter",
            Kind::Payment => "payment",
        }
    }

    /// The move of that word.
    pub(crate) fn of_move(word: &str) -> Option<Kind> {
        [Kind::Minted, Kind::Transferred, Kind::Burned].into_iter().find(|kind| kind.as_str() == word)
    }

    /// The type of an activity, as pages show it.
    pub(crate) const fn activity(self) -> &'static str {
        match self {
            Kind::Minted => "MINT",
            Kind::Burned => "BURN",
            Kind::Created => "COLLECTION_CREATED",
            _ => "TRANSFER",
        }
    }
}

/// One event's name: all generations and retractions of it share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) chain_id: i64,
    pub(crate) block_hash: BlockHash,
    pub(crate) log_index: i64,
    pub(crate) batch_index: i64,
}

/// Where a quantity of a token went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) token_row_id: Uuid,
    pub(crate) token_id: TokenId,
    pub(crate) standard: Standard,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) quantity: U256,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) mark: Mark,
    pub(crate) generation: i64,
    pub(crate) removed: bool,
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    /// Absent where the event is about no collection.
    pub(crate) collection_id: Option<Uuid>,
    /// What the contract is, as far as the event tells.
    pub(crate) standard: Option<Standard>,
    pub(crate) aspect: Option<Aspect>,
    pub(crate) moved: Option<Moved>,
    pub(crate) block_number: i64,
    pub(crate) block_time: DateTime<Utc>,
    pub(crate) fork_block: Option<i64>,
    pub(crate) tx_hash: TxHash,
    pub(crate) tx_from: Address,
    pub(crate) fact: Option<Value>,
}

/// What all events of one message have in common.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) chain_id: ChainId,
    pub(crate) block: Block,
    pub(crate) generation: u32,
    pub(crate) removed: bool,
    pub(crate) fork_block: Option<u64>,
}

impl Entry {
    /// The entry of an event; what is special to its kind is set by the caller.
    pub(crate) fn new<E>(origin: &Origin, kind: Kind, event: &events::ChainEvent<E>) -> Entry {
        let at = (event.log_index, event.batch_index);
        let name = event_id(origin.chain_id, origin.block.hash, event.tx_hash, at.0, at.1);
        Entry {
            mark: Mark {
                chain_id: origin.chain_id.as_i64(),
                block_hash: origin.block.hash,
                log_index: at.0.into(),
                batch_index: at.1.into(),
            },
            generation: origin.generation.into(),
            removed: origin.removed,
            id: ids::derived_uuid("activity", &name),
            kind,
            chain_id: origin.chain_id,
            contract: event.contract,
            collection_id: None,
            standard: event.standard,
            aspect: None,
            moved: None,
            block_number: whole(origin.block.number),
            block_time: origin.block.time,
            fork_block: origin.fork_block.map(whole),
            tx_hash: event.tx_hash,
            tx_from: event.tx_from,
            fact: None,
        }
    }

    /// The entry says where a quantity of a token went.
    pub(crate) fn moving(mut self, moved: &TokenMoved) -> Entry {
        self.moved = Some(Moved {
            token_row_id: token_row(self.chain_id, self.contract, moved.token_id),
            token_id: moved.token_id,
            standard: standard_of(self.standard, moved),
            from: moved.from,
            to: moved.to,
            quantity: moved.quantity,
        });
        self
    }

    /// What decides between the entries of one event: the highest generation, a retraction last.
    pub(crate) fn rank(&self) -> (i64, bool) {
        (self.generation, self.removed)
    }

    /// The order of the chain.
    pub(crate) fn position(&self) -> (i64, i64, i64) {
        (self.block_number, self.mark.log_index, self.mark.batch_index)
    }
}

/// A block number for a `bigint`; no chain comes near the bound, and the door refuses what does.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What the event says, else what its shape says: only ERC-1155 names who moved the tokens.
pub(crate) fn standard_of(told: Option<Standard>, moved: &TokenMoved) -> Standard {
    told.unwrap_or(if moved.operator.is_some() { Standard::Erc1155 } else { Standard::Erc721 })
}

/// For each entry, whether it decides over all others of the same event in the list.
pub(crate) fn deciding(entries: &[Entry]) -> Vec<bool> {
    let mut highest: HashMap<Mark, (i64, bool)> = HashMap::new();
    for entry in entries {
        let rank = highest.entry(entry.mark).or_insert(entry.rank());
        *rank = (*rank).max(entry.rank());
    }
    entries.iter().map(|entry| highest[&entry.mark] == entry.rank()).collect()
}
