//! A token, what happened to it, and who holds how many.

use chrono::{DateTime, Utc};
use events::mints::TokenSnapshot;
use ids::{Address, BlockHash, ChainId, CollectionId, TokenRowId, TxHash};
use uuid::Uuid;

/// A token as its row says. Numbers are decimal strings: nothing here reckons with them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) id: Uuid,
    pub(crate) collection_id: Uuid,
    pub(crate) chain_id: i64,
    pub(crate) contract: Address,
    pub(crate) token_number: String,
    pub(crate) standard: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) image_url: Option<String>,
    pub(crate) metadata_url: Option<String>,
    pub(crate) metadata_status: String,
    pub(crate) metadata_json: Option<String>,
    pub(crate) owner: Option<Address>,
    pub(crate) supply: String,
    pub(crate) is_burned: bool,
    pub(crate) minted_at: Option<DateTime<Utc>>,
    pub(crate) is_removed: bool,
    pub(crate) revision: i64,
    pub(crate) changed_block_number: i64,
    pub(crate) changed_block_hash: BlockHash,
}

impl Token {
    /// The picture that is published.
    pub(crate) fn snapshot(&self) -> Result<TokenSnapshot, ids::Invalid> {
        Ok(TokenSnapshot {
            id: TokenRowId(self.id),
            collection_id: CollectionId(self.collection_id),
            chain_id: ChainId::try_from(self.chain_id)?,
            contract: self.contract,
            token_id: self.token_number.parse()?,
            standard: self.standard.parse()?,
            name: self.name.clone(),
            owner: self.owner,
            supply: self.supply.clone(),
            is_burned: self.is_burned,
            minted_at: self.minted_at,
            metadata_status: self.metadata_status.clone(),
        })
    }
}

/// Something that happened, as a page lists it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Activity {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) collection_id: Uuid,
    pub(crate) token_row_id: Option<Uuid>,
    pub(crate) from: Option<Address>,
    pub(crate) to: Option<Address>,
    pub(crate) quantity: Option<String>,
    pub(crate) tx_hash: TxHash,
    pub(crate) log_index: i64,
    pub(crate) batch_index: i64,
    pub(crate) block_number: i64,
    pub(crate) block_hash: BlockHash,
    pub(crate) occurred_at: DateTime<Utc>,
}

/// An account and how many it holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Holding {
    pub(crate) chain_id: i64,
    pub(crate) owner: Address,
    pub(crate) quantity: String,
}

/// How many collections somebody made, and how many different tokens they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) collections: i64,
    pub(crate) items: i64,
}
