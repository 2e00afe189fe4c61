//! Facts about assets, from media.

use ids::AssetId;
use serde::{Deserialize, Serialize};

use crate::{Fact, Message, exchange};

/// Where a copy of an asset is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// Which provider.
    pub provider: String,
    /// `queued`, `pinning`, `pinned`, `failed`.
    pub status: String,
}

/// `upserted.{assetId}`: an asset, its state and its pins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetUpserted {
    /// Which.
    pub asset_id: AssetId,
    /// What it is.
    pub mime_type: String,
    /// Its content identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// `PENDING`, `READY`, `FAILED`.
    pub status: String,
    /// Where it is kept.
    pub pins: Vec<Pin>,
    /// Grows with every change of this asset.
    pub revision: i64,
}

impl Fact for AssetUpserted {
    const TYPE: &'static str = "vitrine.media.upserted.v1";
    const SOURCE: &'static str = "media";
    const EXCHANGE: &'static str = exchange::MEDIA_DOMAIN;
}

/// The message for one change of an asset.
pub fn upserted(fact: &AssetUpserted) -> Message {
    let id = fact.asset_id;
    Message::new(format!("asset/{id}/{}", fact.revision), format!("upserted.{id}"), fact)
        .of_revision(id, fact.revision)
}
