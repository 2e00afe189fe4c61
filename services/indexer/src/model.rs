//! The nouns: a block's header, a log, whose logs are kept, and how far a chain has been read.

use alloy_primitives::{B256, Bloom, Bytes};
use chrono::{DateTime, Utc};
use events::Standard;
use ids::{Address, BlockHash, ChainId, TxHash};

/// A block without its transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) hash: BlockHash,
    pub(crate) parent_hash: BlockHash,
    pub(crate) time: DateTime<Utc>,
    pub(crate) bloom: Bloom,
}

impl Header {
    /// The block as its events carry it.
    pub(crate) fn block(&self) -> events::Block {
        events::Block { number: self.number, hash: self.hash, parent_hash: self.parent_hash, time: self.time }
    }
}

/// A log as a node gives it; the block is known from where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) address: Address,
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Bytes,
    pub(crate) tx_hash: TxHash,
    pub(crate) log_index: u32,
}

/// What a contract is to us, and with it how its logs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It makes collections.
    Factory,
    /// It is a collection.
    Collection(Standard),
    /// Orders are filled there.
    Exchange,
    /// An ERC-20 that offers are made in: of its logs, those that concern makers of offers.
    Currency,
}

impl Role {
    /// The name in the column `standard`, and the registry's.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Role::Factory => "factory",
            Role::Collection(standard) => standard.as_str(),
            Role::Exchange => "exchange",
            Role::Currency => "ERC20",
        }
    }

    /// `None` for what is not followed.
    pub(crate) fn parse(text: &str) -> Option<Role> {
        match text {
            "factory" => Some(Role::Factory),
            "exchange" => Some(Role::Exchange),
            "ERC20" => Some(Role::Currency),
            _ => text.parse().ok().map(Role::Collection),
        }
    }

    /// The standard that its events carry.
    pub(crate) fn standard(self) -> Option<Standard> {
        match self {
            Role::Collection(standard) => Some(standard),
            Role::Factory | Role::Exchange | Role::Currency => None,
        }
    }

    /// Whether a chain is read from where it begins, and what was missed of it is fetched: the logs of an exchange or a
    /// currency matter from the first order on that we know of, and reach back years before it.
    pub(crate) const fn is_read_from_its_beginning(self) -> bool {
        matches!(self, Role::Factory | Role::Collection(_))
    }
}

/// A contract whose logs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contract {
    pub(crate) address: Address,
    pub(crate) role: Role,
    pub(crate) from_block: u64,
    /// The block whose factory event named it; `None` where the registry did.
    pub(crate) created_in: Option<BlockHash>,
}

/// A block by height and hash, with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) number: u64,
    pub(crate) hash: BlockHash,
    pub(crate) time: DateTime<Utc>,
}

impl From<&Header> for BlockRef {
    fn from(header: &Header) -> BlockRef {
        BlockRef { number: header.number, hash: header.hash, time: header.time }
    }
}

/// How far a chain has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) chain_id: ChainId,
    pub(crate) indexed: BlockRef,
    pub(crate) head: BlockRef,
    pub(crate) reorgs: u64,
    pub(crate) last_reorg_at: Option<DateTime<Utc>>,
    pub(crate) halted: Option<String>,
    /// Below it the chain was not read; unknown for chains that were begun before it was noted.
    pub(crate) first_block: Option<u64>,
    /// The newest blocks that the node called safe and finalized.
    pub(crate) safe: Option<u64>,
    pub(crate) finalized: Option<u64>,
    /// Grows when contracts or payers join otherwise than by the follower's own commit.
    pub(crate) followed_version: i64,
}

/// A chain counts as live within so many blocks of its head.
const LIVE_WITHIN: u64 = 3;

impl Checkpoint {
    /// Blocks between what was read and what the node has.
    pub(crate) fn lag(&self) -> u64 {
        self.head.number.saturating_sub(self.indexed.number)
    }

    /// Whether a new block is read as it comes.
    pub(crate) fn is_live(&self) -> bool {
        self.halted.is_none() && self.lag() <= LIVE_WITHIN
    }
}
