//! The nouns: an upload, an asset, a document, and where they stand.

use bson::DateTime;
use events::media::{AssetUpserted, Pin};
use ids::{AssetId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::content_id::ContentHash;

/// The act of uploading: one person, one file, one presigned URL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    #[serde(rename = "_id")]
    pub(crate) upload_id: String,
    /// The asset that it becomes, known beforehand since the hash is.
    pub(crate) file_id: AssetId,
    pub(crate) user_id: UserId,
    /// As declared; what arrives must be of this type.
    pub(crate) file_type: String,
    /// CIDv1, once the bytes are checked.
    pub(crate) ipfs_hash: Option<String>,
    pub(crate) status: UploadStatus,
    pub(crate) filename: String,
    pub(crate) byte_size: i64,
    pub(crate) sha256: ContentHash,
    /// What was wrong with what arrived.
    pub(crate) mismatch: Option<Mismatch>,
    pub(crate) created_at: DateTime,
    pub(crate) expires_at: DateTime,
}

impl Upload {
    /// Where the client puts the bytes: nobody else's URL leads there.
    pub(crate) fn staging_key(&self) -> String {
        format!("staging/{}/{}", self.sha256, self.upload_id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum UploadStatus {
    Pending,
    Completed,
    Failed,
}

/// How what arrived differs from what was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mismatch {
    #[serde(rename = "WRONG_SIZE")]
    Size,
    #[serde(rename = "WRONG_HASH")]
    Hash,
    #[serde(rename = "WRONG_TYPE")]
    Type,
}

impl Mismatch {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Mismatch::Size => "WRONG_SIZE",
            Mismatch::Hash => "WRONG_HASH",
            Mismatch::Type => "WRONG_TYPE",
        }
    }
}

/// The content: one for each SHA-256, whoever uploaded it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asset {
    #[serde(rename = "_id")]
    pub(crate) asset_id: AssetId,
    pub(crate) sha256: ContentHash,
    pub(crate) mime_type: String,
    pub(crate) byte_size: i64,
    pub(crate) cid: Option<String>,
    pub(crate) status: AssetStatus,
    /// Who has uploaded it, each once.
    pub(crate) owners: Vec<UserId>,
    pub(crate) pins: Vec<Pin>,
    /// Grows with every change that is told.
    pub(crate) revision: i64,
    /// Changes that the broker does not have yet, oldest first.
    pub(crate) outbox: Vec<Unsent>,
    pub(crate) created_at: DateTime,
}

impl Asset {
    /// The first revision, with the message about it.
    pub(crate) fn new(upload: &Upload, traceparent: Option<String>, now: DateTime) -> Asset {
        let byte_size = upload.byte_size;
        let mut asset = Asset {
            asset_id: upload.file_id,
            sha256: upload.sha256,
            mime_type: upload.file_type.clone(),
            byte_size,
            cid: upload.sha256.file_cid(byte_size.unsigned_abs()).map(|cid| cid.to_string()),
            status: AssetStatus::Ready,
            owners: vec![upload.user_id],
            pins: Vec::new(),
            revision: 1,
            outbox: Vec::new(),
            created_at: now,
        };
        asset.outbox.push(Unsent { revision: asset.revision, traceparent, fact: asset.fact() });
        asset
    }

    fn fact(&self) -> AssetUpserted {
        AssetUpserted {
            asset_id: self.asset_id,
            mime_type: self.mime_type.clone(),
            cid: self.cid.clone(),
            status: self.status.as_str().to_owned(),
            pins: self.pins.clone(),
            revision: self.revision,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AssetStatus {
    Pending,
    Ready,
    Failed,
}

impl AssetStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            AssetStatus::Pending => "PENDING",
            AssetStatus::Ready => "READY",
            AssetStatus::Failed => "FAILED",
        }
    }
}

/// A message that waits inside the document that it is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unsent {
    pub(crate) revision: i64,
    /// Of the request that changed the asset.
    pub(crate) traceparent: Option<String>,
    pub(crate) fact: AssetUpserted,
}

/// A metadata document, one for each content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Document {
    #[serde(rename = "_id")]
    pub(crate) sha256: ContentHash,
    /// As one raw block.
    pub(crate) cid: String,
    /// The text itself. Text, since a document of others may have any keys, also such that the store understands.
    pub(crate) original: String,
    /// Built here, and so served by us under its CID.
    pub(crate) is_own: bool,
    pub(crate) pins: Vec<Pin>,
    pub(crate) created_at: DateTime,
}

/// A token, or a contract itself, was seen with a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sighting {
    /// `{account}/{token id, or contract}/{sha256}`.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) account_id: String,
    /// Empty for the contract's own metadata.
    pub(crate) token_id: String,
    pub(crate) sha256: ContentHash,
    /// As the contract gave it; its beginning, where the document is inside it.
    pub(crate) uri: String,
    pub(crate) first_seen_at: DateTime,
}

/// A new id of an upload.
pub(crate) fn new_upload_id() -> String {
    Uuid::now_v7().to_string()
}
