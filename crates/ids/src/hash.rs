//! Thirty-two byte names: transactions, blocks, orders, salts.

use std::{fmt, str::FromStr};

use crate::Invalid;

/// `sqlx` as `bytea` of exactly `$len` bytes.
macro_rules! as_bytea {
    ($name:ty, $len:literal) => {
        impl sqlx::Type<sqlx::Postgres> for $name {
            fn type_info() -> sqlx::postgres::PgTypeInfo {
                <Vec<u8> as sqlx::Type<sqlx::Postgres>>::type_info()
            }
        }
        impl<'q> sqlx::Encode<'q, sqlx::Postgres> for $name {
            fn encode_by_ref(
                &self,
                buffer: &mut sqlx::postgres::PgArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                <&[u8] as sqlx::Encode<sqlx::Postgres>>::encode_by_ref(&self.as_slice(), buffer)
            }
        }
        impl<'r> sqlx::Decode<'r, sqlx::Postgres> for $name {
            fn decode(value: sqlx::postgres::PgValueRef<'r>) -> Result<$name, sqlx::error::BoxDynError> {
                let bytes = <&[u8] as sqlx::Decode<sqlx::Postgres>>::decode(value)?;
                Ok(<$name>::from_slice(bytes)?)
            }
        }
        impl sqlx::postgres::PgHasArrayType for $name {
            fn array_type_info() -> sqlx::postgres::PgTypeInfo {
                <Vec<u8> as sqlx::postgres::PgHasArrayType>::array_type_info()
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": "^0x[0-9a-fA-F]+$" })
            }
        }
    };
}
pub(crate) use as_bytea;

/// A 32-byte value that names something: written `0x` and 64 lower-case digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash32([u8; 32]);

/// The hash of a transaction.
pub type TxHash = Hash32;
/// The hash of a block.
pub type BlockHash = Hash32;
/// The EIP-712 hash of a Seaport order.
pub type OrderHash = Hash32;

impl Hash32 {
    /// From the bytes.
    pub const fn new(bytes: [u8; 32]) -> Hash32 {
        Hash32(bytes)
    }

    /// From a slice; anything but 32 bytes is refused.
    pub fn from_slice(bytes: &[u8]) -> Result<Hash32, Invalid> {
        bytes.try_into().map(Hash32).map_err(|_| Invalid::new("hash", "must be 32 bytes"))
    }

    /// The bytes.
    pub const fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Hash32 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Hash32, Invalid> {
        let wrong = Invalid::new("hash", "must be 0x and 64 hexadecimal digits");
        if text.len() != 66 || !text.starts_with("0x") {
            return Err(wrong);
        }
        alloy_primitives::B256::from_str(text).map(|hash| Hash32(hash.0)).map_err(|_| wrong)
    }
}

impl fmt::Display for Hash32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloy_primitives::hex::encode_prefixed(self.0))
    }
}

impl fmt::Debug for Hash32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<alloy_primitives::B256> for Hash32 {
    fn from(hash: alloy_primitives::B256) -> Hash32 {
        Hash32(hash.0)
    }
}

impl From<Hash32> for alloy_primitives::B256 {
    fn from(hash: Hash32) -> alloy_primitives::B256 {
        alloy_primitives::B256::from(hash.0)
    }
}

impl serde::Serialize for Hash32 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash32 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash32, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

as_bytea!(Hash32, 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_in_lower_case_and_read_in_any() {
        let text = format!("0x{}", "AB".repeat(32));
        let hash: Hash32 = text.parse().unwrap();
        assert_eq!(hash.to_string(), text.to_lowercase());
    }

    #[test]
    fn a_hash_of_another_length_is_refused() {
        assert!(format!("0x{}", "ab".repeat(31)).parse::<Hash32>().is_err());
        assert!("ab".repeat(33).parse::<Hash32>().is_err());
    }
}
