//! What every event of a chain has in common: its block, its place in it, and whether it still stands.

use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, ChainId, TxHash};
use serde::{Deserialize, Serialize};

/// A block, as far as its events need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Its height.
    pub number: u64,
    /// Its hash: what tells it from another block of the same height.
    pub hash: BlockHash,
    /// The block that it builds on.
    pub parent_hash: BlockHash,
    /// The time that the chain gave it.
    pub time: DateTime<Utc>,
}

/// Which kind of collection a contract is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standard {
    /// One owner a token.
    #[serde(rename = "ERC721")]
    Erc721,
    /// Amounts of a token.
    #[serde(rename = "ERC1155")]
    Erc1155,
}

impl Standard {
    /// The name on every wire and in every column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Standard::Erc721 => "ERC721",
            Standard::Erc1155 => "ERC1155",
        }
    }
}

impl std::str::FromStr for Standard {
    type Err = ids::Invalid;

    fn from_str(text: &str) -> Result<Standard, ids::Invalid> {
        match text {
            "ERC721" => Ok(Standard::Erc721),
            "ERC1155" => Ok(Standard::Erc1155),
            _ => Err(ids::Invalid { what: "token standard", why: "must be ERC721 or ERC1155" }),
        }
    }
}

/// How likely the block is to stay, as the chain told when the event was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Finality {
    /// At the head.
    Latest,
    /// Under the chain's safe block.
    Safe,
    /// Under the chain's finalized block.
    Finalized,
}

/// All events of one kind in one block: one message, split only when it grows too large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainBatch<E> {
    /// The chain.
    pub chain_id: ChainId,
    /// The block.
    pub block: Block,
    /// How often this block has become canonical: a chain can flip from A to B and back to A.
    pub generation: u32,
    /// Whether the events are taken back: the block is no longer canonical.
    pub removed: bool,
    /// The last block that both branches share, where `removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_block: Option<u64>,
    /// The events, in the order of the chain.
    pub events: Vec<ChainEvent<E>>,
}

/// One event of a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainEvent<E> {
    /// `{chainId}/{blockHash}/{txHash}/{logIndex}/{batchIndex}`.
    pub id: String,
    /// The contract that the event is about.
    pub contract: Address,
    /// What the contract is, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<Standard>,
    /// The transaction.
    pub tx_hash: TxHash,
    /// Who sent the transaction.
    pub tx_from: Address,
    /// The place in the block.
    pub log_index: u32,
    /// The place inside a log that tells of several things, else 0.
    pub batch_index: u32,
    /// How settled the block was.
    pub finality: Finality,
    /// The event's own fields.
    #[serde(flatten)]
    pub fact: E,
}

/// The id of one event of a chain; a retraction has the id of what it retracts.
pub fn event_id(chain_id: ChainId, block: BlockHash, tx: TxHash, log_index: u32, batch_index: u32) -> String {
    format!("{chain_id}/{block}/{tx}/{log_index}/{batch_index}")
}

/// The id of a batch's envelope. The generation and the retraction are part of it: each is published once.
pub fn batch_id<E>(batch: &ChainBatch<E>, kind: &str, part: usize) -> String {
    let removed = if batch.removed { "/removed" } else { "" };
    format!("{}/{}/{kind}/{part}/{}{removed}", batch.chain_id, batch.block.hash, batch.generation)
}
