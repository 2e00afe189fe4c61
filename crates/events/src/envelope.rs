//! The envelope that every message wears: CloudEvents 1.0 in its JSON structured mode.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A fact that can be put into an envelope.
pub trait Fact: Serialize + DeserializeOwned {
    /// The versioned CloudEvents type: within a version fields are only added.
    const TYPE: &'static str;
    /// The service that tells it, for the envelope's `source`.
    const SOURCE: &'static str;
    /// Where it is published.
    const EXCHANGE: &'static str;
}

/// A message as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique for its source; the inbox knows messages by it.
    pub id: String,
    /// `/vitrine/{service}`.
    pub source: String,
    /// The fact's [`Fact::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was written to the outbox, not when the block was made.
    pub time: DateTime<Utc>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// W3C trace context of what led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The intent or the request that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    /// The message that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<String>,
    /// What it is about, for consumers that shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitionkey: Option<String>,
    /// The entity's revision, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// The fact itself.
    pub data: Value,
}

impl Envelope {
    /// The fact, if this envelope holds one of that type.
    pub fn open<F: Fact>(&self) -> Result<F, NotThisFact> {
        if self.kind != F::TYPE {
            return Err(NotThisFact::OtherType { expected: F::TYPE, found: self.kind.clone() });
        }
        F::deserialize(&self.data)
            .map_err(|err| NotThisFact::Malformed { expected: F::TYPE, why: err.to_string() })
    }
}

/// Why an envelope could not be opened: neither heals by trying again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotThisFact {
    /// Another type, or a version that this build does not know.
    OtherType {
        /// What the consumer asked for.
        expected: &'static str,
        /// What the envelope says.
        found: String,
    },
    /// The right type with data that does not fit it.
    Malformed {
        /// What the consumer asked for.
        expected: &'static str,
        /// Which field, and why.
        why: String,
    },
}

impl std::fmt::Display for NotThisFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotThisFact::OtherType { expected, found } => write!(f, "expected {expected}, found {found}"),
            NotThisFact::Malformed { expected, why } => write!(f, "malformed {expected}: {why}"),
        }
    }
}

impl std::error::Error for NotThisFact {}

/// An envelope with its address: what the outbox keeps and the relay publishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Where to.
    pub exchange: &'static str,
    /// Under which key.
    pub routing_key: String,
    /// What.
    pub envelope: Envelope,
}

impl Message {
    /// Puts a fact into an envelope. The trace context is added where it is written to the outbox.
    pub fn new<F: Fact>(id: String, routing_key: String, fact: &F) -> Message {
        Message {
            exchange: F::EXCHANGE,
            routing_key,
            envelope: Envelope {
                specversion: "1.0".to_owned(),
                id,
                source: format!("/vitrine/{}", F::SOURCE),
                kind: F::TYPE.to_owned(),
                time: Utc::now(),
                datacontenttype: "application/json".to_owned(),
                traceparent: None,
                correlationid: None,
                causationid: None,
                partitionkey: None,
                sequence: None,
                data: serde_json::to_value(fact).expect("facts are plain structs with string keys"),
            },
        }
    }

    /// Names the intent or request that this belongs to.
    pub fn correlated(mut self, id: impl ToString) -> Message {
        self.envelope.correlationid = Some(id.to_string());
        self
    }

    /// Names the message that caused this one.
    pub fn caused_by(mut self, id: &str) -> Message {
        self.envelope.causationid = Some(id.to_owned());
        self
    }

    /// Says which revision of which entity this is.
    pub fn of_revision(mut self, partition: impl ToString, revision: i64) -> Message {
        self.envelope.partitionkey = Some(partition.to_string());
        self.envelope.sequence = Some(revision.to_string());
        self
    }
}
