//! Facts about intents, from the orchestrator.

use chrono::{DateTime, Utc};
use ids::{Address, ChainId, IntentId, OrderId, TokenId, TxHash, UserId};
use serde::{Deserialize, Serialize};

use crate::{Fact, Message, exchange};

/// `upserted.{intentId}`: an intent, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntentUpserted {
    /// Which.
    pub intent_id: IntentId,
    /// Whose: nobody else may see it.
    pub created_by: UserId,
    /// `CREATE_COLLECTION`, `MINT_721`, `MINT_1155`, ...
    pub kind: String,
    /// `PREPARED`, `SUBMITTED`, `MINED`, `CONFIRMED`, `READY`, `FAILED`, `REPLACED`, `CANCELLED`, `DROPPED`, `EXPIRED`.
    pub status: String,
    /// Where.
    pub chain_id: ChainId,
    /// The collection that it makes or mints from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Address>,
    /// Where the collection that it makes will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview_address: Option<Address>,
    /// The tokens that it brought, from MINED on.
    pub token_ids: Vec<TokenId>,
    /// The transaction that is followed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_hash: Option<TxHash>,
    /// Blocks on top of it, its own included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmations: Option<u32>,
    /// How many make it CONFIRMED.
    pub required_confirmations: u32,
    /// Why it ended, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Why it ended, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The order that it makes, fills or cancels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Grows with every change of this intent, and of one of its steps.
    pub revision: i64,
    /// When it expires unsigned.
    pub deadline_at: DateTime<Utc>,
    /// When it was prepared.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Fact for IntentUpserted {
    const TYPE: &'static str = "vitrine.intents.upserted.v1";
    const SOURCE: &'static str = "orchestrator";
    const EXCHANGE: &'static str = exchange::INTENTS_DOMAIN;
}

/// The message for one change of an intent.
pub fn upserted(fact: &IntentUpserted) -> Message {
    let id = fact.intent_id;
    Message::new(format!("intent/{id}/{}", fact.revision), format!("upserted.{id}"), fact)
        .correlated(id)
        .of_revision(id, fact.revision)
}
