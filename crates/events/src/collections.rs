//! Facts about collections: as the chain tells them, and as the catalog knows them.

use amounts::U256;
use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, ChainId, CollectionId, Hash32, TxHash};
use serde::{Deserialize, Serialize};

use crate::{ChainBatch, Fact, Message, Standard, chain::batch_id, exchange};

/// `created.eip155.{n}`: a factory made a collection. Carries what the indexer read from the contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionCreated {
    /// The factory that made it.
    pub factory: Address,
    /// Who asked for it.
    pub creator: Address,
    /// The owner at creation.
    pub owner: Address,
    /// The clone salt, where the factory tells one: by it a transaction that nobody reported finds its intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Hash32>,
    /// The collection's name as the contract tells it.
    pub name: String,
    /// The symbol as the contract tells it.
    pub symbol: String,
    /// Where the contract says its metadata is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_uri: Option<String>,
    /// The most tokens there can be (for ERC-1155: of each id); absent where unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_supply: Option<String>,
    /// Who receives royalties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub royalty_recipient: Option<Address>,
    /// Royalties in basis points.
    pub royalty_bps: u32,
}

impl Fact for ChainBatch<CollectionCreated> {
    const TYPE: &'static str = "vitrine.collections.created.v1";
    const SOURCE: &'static str = "indexer";
    const EXCHANGE: &'static str = exchange::COLLECTIONS;
}

/// One message for a block's created collections.
pub fn created(batch: &ChainBatch<CollectionCreated>, part: usize) -> Message {
    let key = format!("created.{}", batch.chain_id.routing_words());
    Message::new(batch_id(batch, "created", part), key, batch)
}

/// What changed in a collection's contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CollectionUpdated {
    /// ERC-173 or `Ownable`.
    OwnershipTransferred {
        /// Who had it.
        from: Address,
        /// Who has it.
        to: Address,
    },
    /// Two steps: the owner has named who may take over.
    OwnershipTransferStarted {
        /// Who has it still.
        from: Address,
        /// Who may take it.
        to: Address,
    },
    /// `AccessControl`.
    RoleGranted {
        /// The role's hash.
        role: Hash32,
        /// Who has it now.
        account: Address,
    },
    /// `AccessControl`.
    RoleRevoked {
        /// The role's hash.
        role: Hash32,
        /// Who has it no more.
        account: Address,
    },
    /// ERC-7572, with the URI as read afterwards.
    ContractUriUpdated {
        /// Where the metadata is now, if the contract answered.
        uri: Option<String>,
    },
    /// Minting stopped.
    Paused,
    /// Minting goes on.
    Unpaused,
    /// A mint stage was set.
    StageUpdated {
        /// Which.
        stage: u32,
        /// At which price, in wei.
        #[serde(with = "amounts::decimal")]
        price: U256,
    },
    /// EIP-1967.
    Upgraded {
        /// The new implementation.
        implementation: Address,
    },
    /// EIP-1967: who may upgrade it.
    AdminChanged {
        /// Who could.
        from: Address,
        /// Who can.
        to: Address,
    },
    /// EIP-1967: which contract tells it its implementation.
    BeaconUpgraded {
        /// That contract.
        beacon: Address,
    },
}

impl Fact for ChainBatch<CollectionUpdated> {
    const TYPE: &'static str = "vitrine.collections.updated.v1";
    const SOURCE: &'static str = "indexer";
    const EXCHANGE: &'static str = exchange::COLLECTIONS;
}

/// One message for a block's changes of collections.
pub fn updated(batch: &ChainBatch<CollectionUpdated>, part: usize) -> Message {
    let key = format!("updated.{}", batch.chain_id.routing_words());
    Message::new(batch_id(batch, "updated", part), key, batch)
}

/// A collection as the catalog shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionSnapshot {
    /// The row.
    pub id: CollectionId,
    /// The chain.
    pub chain_id: ChainId,
    /// The contract.
    pub contract: Address,
    /// The name in addresses of pages.
    pub slug: String,
    /// The name.
    pub name: String,
    /// The symbol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// What it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its kind.
    pub standard: Standard,
    /// Who made it.
    pub creator: Address,
    /// Who owns the contract, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Address>,
    /// Royalties in basis points.
    pub royalty_bps: u32,
    /// The most there can be; absent where unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_supply: Option<String>,
    /// How many there are.
    pub total_supply: String,
    /// Whether a moderator vouches for it.
    pub is_verified: bool,
    /// `PENDING`, `LIVE`, `FAILED`, `HIDDEN`.
    pub status: String,
    /// When the chain made it.
    pub created_at: DateTime<Utc>,
}

/// `upserted.eip155.{n}.{contract}`: the catalog's picture of a collection changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionUpserted {
    /// The picture now (where `removed`: the last one).
    pub collection: CollectionSnapshot,
    /// Grows with every change of this collection.
    pub revision: i64,
    /// What led to it: `created`, `updated`, `minted`, `removed`...
    pub changed: Vec<String>,
    /// The transactions that led to it.
    pub tx_hashes: Vec<TxHash>,
    /// The clone salts seen, by which an unreported transaction finds its intent.
    #[serde(default)]
    pub salts: Vec<Hash32>,
    /// Whether a reorganisation took the collection back.
    pub removed: bool,
    /// The last block that both branches share, where `removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_block: Option<u64>,
    /// The block that brought the change.
    pub block_number: u64,
    /// The block that brought the change.
    pub block_hash: BlockHash,
}

impl Fact for CollectionUpserted {
    const TYPE: &'static str = "vitrine.collections.upserted.v1";
    const SOURCE: &'static str = "catalog";
    const EXCHANGE: &'static str = exchange::COLLECTIONS_DOMAIN;
}

/// The message for one changed collection.
pub fn upserted(fact: &CollectionUpserted) -> Message {
    let of = &fact.collection;
    let key = format!("upserted.{}.{}", of.chain_id.routing_words(), of.contract.to_lower());
    Message::new(format!("collection/{}/{}", of.id, fact.revision), key, fact)
        .of_revision(of.id, fact.revision)
}
