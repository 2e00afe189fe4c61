//! What things are called: every type here identifies something and is written as one string.
//!
//! A value is parsed once, at the door, and carried typed from there on. Nothing in this crate knows an amount,
//! a rule or a query; the `sqlx` encodings are the one concession to storage.

mod account;
mod address;
mod chain;
mod hash;
mod row;
mod token;

pub use account::AccountId;
pub use address::Address;
pub use chain::ChainId;
pub use hash::{BlockHash, Hash32, OrderHash, TxHash};
pub use row::{
    ActivityId, AssetId, CollectionId, DeviceId, IntentId, LoginEventId, OrderId, RowId, SessionId, StepId,
    TokenRowId, UserId, WalletId, derived_uuid, order_row,
};
pub use token::TokenId;

/// Why a string is not the identifier that it should be; `what` names the kind for the caller's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Invalid {
    /// The kind of identifier, in words that an API user knows: `address`, `chain id`.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Invalid {
    pub(crate) const fn new(what: &'static str, why: &'static str) -> Invalid {
        Invalid { what, why }
    }
}

/// Serde as the one string that an identifier is written as.
macro_rules! as_string {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }
    };
}
pub(crate) use as_string;
