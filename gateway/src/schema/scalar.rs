//! Scalars: one string each, parsed where it comes in and written in one form where it goes out.

use std::fmt::Display;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

macro_rules! string_scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty) $(, $url:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct $name(pub(crate) $inner);

        impl std::str::FromStr for $name {
            type Err = ids::Invalid;

            fn from_str(text: &str) -> Result<$name, ids::Invalid> {
                text.parse().map($name)
            }
        }

        $(#[$doc])*
        #[Scalar($(specified_by_url = $url)?)]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                match &value {
                    Value::String(text) => text.parse().map($name).map_err(InputValueError::custom),
                    _ => Err(InputValueError::expected_type(value)),
                }
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.to_string())
            }
        }
    };
}

string_scalar!(
    /// An address: any case comes in, the EIP-55 checksum goes out; a wrong checksum is refused.
    Address(ids::Address), "https://eips.ethereum.org/EIPS/eip-55"
);
string_scalar!(
    /// A chain, as CAIP-2 names it: `eip155:31337`.
    ChainId(ids::ChainId), "https://chainagnostic.org/CAIPs/caip-2"
);
string_scalar!(
    /// An account, as CAIP-10 names it: `eip155:31337:0xAb…`.
    AccountId(ids::AccountId), "https://chainagnostic.org/CAIPs/caip-10"
);
/// An unsigned integer of up to 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BigInt(pub(crate) amounts::U256);

/// An unsigned integer of up to 256 bits, as a decimal string: never a JSON number.
#[Scalar]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => amounts::parse(text).map(BigInt).map_err(InputValueError::custom),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl std::str::FromStr for BigInt {
    type Err = amounts::Invalid;

    fn from_str(text: &str) -> Result<BigInt, amounts::Invalid> {
        amounts::parse(text).map(BigInt)
    }
}

/// A number of a chain as its clients want it: a safe JSON integer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainNumber(pub(crate) u64);

/// The number of a chain, a safe JSON integer, as viem wants it.
#[Scalar]
impl ScalarType for ChainNumber {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => {
                number.as_u64().map(ChainNumber).ok_or_else(|| InputValueError::expected_type(value))
            }
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from(self.0)
    }
}

/// Bytes of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

/// Bytes: `0x` and hexadecimal digits, in lower case on the way out.
#[Scalar]
impl ScalarType for Hex {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        text.parse().map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::String(format!("0x{}", hex::encode(&self.0)))
    }
}

impl std::str::FromStr for Hex {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Hex, &'static str> {
        let digits = text.strip_prefix("0x").ok_or("must begin with 0x")?;
        hex::decode(digits).map(Hex).map_err(|_| "must be pairs of hexadecimal digits")
    }
}

/// A moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DateTime(pub(crate) chrono::DateTime<chrono::Utc>);

/// A moment, RFC 3339, in UTC with a `Z`.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let moment = chrono::DateTime::parse_from_rfc3339(text).map_err(InputValueError::custom)?;
        Ok(DateTime(moment.to_utc()))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }
}

/// An address of something, as it was stored.
#[derive(Clone, Debug)]
pub(crate) struct Uri(pub(crate) String);

/// A URI: `https:`, `ipfs:`, `data:`, as it was stored.
#[Scalar(name = "URI")]
impl ScalarType for Uri {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) if text.len() <= 8192 => Ok(Uri(text)),
            Value::String(_) => Err(InputValueError::custom("must be at most 8192 characters")),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A field of an answer that does not parse is our fault: it is logged, and the caller hears of it as internal.
pub(crate) fn ours<T: std::str::FromStr<Err: Display>>(text: &str) -> async_graphql::Result<T> {
    text.parse().map_err(|err: T::Err| {
        tracing::error!(error = %err, "a service answered with a malformed value");
        crate::error::coded(rpc::Code::Internal.as_str(), "something went wrong on our side")
    })
}

/// A value that may be empty on the wire.
pub(crate) fn ours_or_none<T: std::str::FromStr<Err: Display>>(
    text: &str,
) -> async_graphql::Result<Option<T>> {
    if text.is_empty() { Ok(None) } else { ours(text).map(Some) }
}

/// An empty text of the wire is an absent one of the API.
pub(crate) fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A moment of the wire.
pub(crate) fn moment(at: Option<&prost_types::Timestamp>) -> Option<DateTime> {
    let at = at?;
    chrono::DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?).map(DateTime)
}

/// A moment that every answer has.
pub(crate) fn moment_of(at: Option<&prost_types::Timestamp>) -> DateTime {
    moment(at).unwrap_or(DateTime(chrono::DateTime::UNIX_EPOCH))
}

/// For requests.
pub(crate) fn to_timestamp(at: DateTime) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.0.timestamp(), nanos: at.0.timestamp_subsec_nanos() as i32 }
}
