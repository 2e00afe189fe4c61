//! Facts about tokens: as the chain tells them, and as the catalog knows them.

use amounts::U256;
use chrono::{DateTime, Utc};
use ids::{ActivityId, Address, BlockHash, ChainId, CollectionId, TokenId, TokenRowId, TxHash};
use serde::{Deserialize, Serialize};

use crate::{ChainBatch, Fact, Message, Standard, chain::batch_id, exchange};

/// `minted`, `transferred` and `burned` share one shape: where a quantity of a token went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenMoved {
    /// Which token of the contract; the first one where there are several.
    pub token_id: TokenId,
    /// ERC-2309: the last of the tokens that went the same way together, one of each. Absent for one token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_token_id: Option<TokenId>,
    /// Whence; zero for a mint.
    pub from: Address,
    /// Whither; zero for a burn.
    pub to: Address,
    /// How many; 1 for ERC-721.
    #[serde(with = "amounts::decimal")]
    pub quantity: U256,
    /// Who moved them, where the standard tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Address>,
}

/// `minted.eip155.{n}`: tokens that came into being.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenMinted(pub TokenMoved);

/// `transferred.eip155.{n}`: tokens that changed hands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenTransferred(pub TokenMoved);

/// `burned.eip155.{n}`: tokens that are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenBurned(pub TokenMoved);

/// `metadata.eip155.{n}`: what a token says of itself may have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MetadataChanged {
    /// ERC-4906, both ends included.
    Range {
        /// The first token concerned.
        from_token_id: TokenId,
        /// The last token concerned.
        to_token_id: TokenId,
    },
    /// ERC-1155 `URI`.
    Uri {
        /// The token concerned.
        token_id: TokenId,
        /// Where its metadata is now.
        uri: String,
    },
    /// `PermanentURI`: it will never change again.
    Frozen {
        /// The token concerned.
        token_id: TokenId,
        /// Where its metadata is for good, where the log told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uri: Option<String>,
    },
    /// ERC-5192: it cannot be moved any more.
    Locked {
        /// The token concerned.
        token_id: TokenId,
    },
    /// ERC-5192: it can be moved again.
    Unlocked {
        /// The token concerned.
        token_id: TokenId,
    },
}

macro_rules! chain_fact {
    ($fact:ty, $type:literal, $verb:literal, $function:ident) => {
        impl Fact for ChainBatch<$fact> {
            const TYPE: &'static str = $type;
            const SOURCE: &'static str = "indexer";
            const EXCHANGE: &'static str = exchange::MINTS;
        }

        /// One message for a block's events of this kind.
        pub fn $function(batch: &ChainBatch<$fact>, part: usize) -> Message {
            let key = format!(concat!($verb, ".{}"), batch.chain_id.routing_words());
            Message::new(batch_id(batch, $verb, part), key, batch)
        }
    };
}

chain_fact!(TokenMinted, "vitrine.mints.minted.v1", "minted", minted);
chain_fact!(TokenTransferred, "vitrine.mints.transferred.v1", "transferred", transferred);
chain_fact!(TokenBurned, "vitrine.mints.burned.v1", "burned", burned);
chain_fact!(MetadataChanged, "vitrine.mints.metadata.v1", "metadata", metadata_changed);

/// A token as the catalog shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenSnapshot {
    /// The row.
    pub id: TokenRowId,
    /// The collection's row.
    pub collection_id: CollectionId,
    /// The chain.
    pub chain_id: ChainId,
    /// The contract.
    pub contract: Address,
    /// The number inside the contract.
    pub token_id: TokenId,
    /// Its kind.
    pub standard: Standard,
    /// What it is called, where its metadata has been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who has it (ERC-721, not burned).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Address>,
    /// How many there are.
    pub supply: String,
    /// Whether none is left.
    pub is_burned: bool,
    /// When the first came into being.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minted_at: Option<DateTime<Utc>>,
    /// `PENDING`, `READY`, `FAILED`.
    pub metadata_status: String,
}

/// Something that happened to a token, as a page's activity list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityAdded {
    /// The row.
    pub id: ActivityId,
    /// `MINT`, `TRANSFER`, `BURN`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Whence.
    pub from: Address,
    /// Whither.
    pub to: Address,
    /// How many.
    #[serde(with = "amounts::decimal")]
    pub quantity: U256,
    /// In which transaction.
    pub tx_hash: TxHash,
    /// At which place of the block.
    pub log_index: u32,
    /// In which block.
    pub block_number: u64,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// Whether a reorganisation took it back.
    pub removed: bool,
}

/// `upserted.eip155.{n}.{contract}.{tokenId}`: the catalog's picture of a token changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenUpserted {
    /// The picture now (where `removed`: the last one).
    pub token: TokenSnapshot,
    /// Grows with every change of this token.
    pub revision: i64,
    /// What led to it: `minted`, `transferred`, `burned`, `metadata`, `removed`...
    pub changed: Vec<String>,
    /// The transactions that led to it.
    pub tx_hashes: Vec<TxHash>,
    /// Who had it before (ERC-721).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_before: Option<Address>,
    /// What the change added to the activity list.
    pub activities: Vec<ActivityAdded>,
    /// Whether a reorganisation took the token back.
    pub removed: bool,
    /// The last block that both branches share, where a reorganisation did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_block: Option<u64>,
    /// The block that brought the change.
    pub block_number: u64,
    /// The block that brought the change.
    pub block_hash: BlockHash,
}

impl Fact for TokenUpserted {
    const TYPE: &'static str = "vitrine.mints.upserted.v1";
    const SOURCE: &'static str = "catalog";
    const EXCHANGE: &'static str = exchange::MINTS_DOMAIN;
}

/// The message for one changed token.
pub fn upserted(fact: &TokenUpserted) -> Message {
    let of = &fact.token;
    let key = format!("upserted.{}.{}.{}", of.chain_id.routing_words(), of.contract.to_lower(), of.token_id);
    Message::new(format!("token/{}/{}", of.id, fact.revision), key, fact).of_revision(of.id, fact.revision)
}

/// `upserted.eip155.{n}.{contract}.batch`: many tokens changed while a chain catches up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokensUpserted {
    /// The collection's row.
    pub collection_id: CollectionId,
    /// The chain.
    pub chain_id: ChainId,
    /// The contract.
    pub contract: Address,
    /// Which tokens.
    pub token_ids: Vec<TokenId>,
    /// The transactions that led to it.
    pub tx_hashes: Vec<TxHash>,
    /// The newest block that brought a change.
    pub block_number: u64,
}

impl Fact for TokensUpserted {
    const TYPE: &'static str = "vitrine.mints.upserted-batch.v1";
    const SOURCE: &'static str = "catalog";
    const EXCHANGE: &'static str = exchange::MINTS_DOMAIN;
}

/// The message for one batch of changed tokens; `cause` is the id of the message that led to it.
pub fn upserted_batch(fact: &TokensUpserted, cause: &str) -> Message {
    let key = format!("upserted.{}.{}.batch", fact.chain_id.routing_words(), fact.contract.to_lower());
    Message::new(format!("tokens/{}/{cause}", fact.collection_id), key, fact).caused_by(cause)
}
