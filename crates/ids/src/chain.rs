//! A chain, as CAIP-2 names it.

use std::{fmt, str::FromStr};

use crate::Invalid;

/// `eip155:31337` on every wire, `eip155.31337` in routing keys, a `bigint` in databases.
///
/// ```
/// let chain: ids::ChainId = "eip155:31337".parse().unwrap();
/// assert_eq!(chain.number(), 31337);
/// assert_eq!(chain.routing_words(), "eip155.31337");
/// assert!("eip155:01".parse::<ids::ChainId>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId(u64);

/// The largest chain id that EIP-2294 allows; it fits a `bigint`.
const LARGEST: u64 = 9_223_372_036_854_775_771;

impl ChainId {
    /// From the number as a node or a database gives it.
    pub fn new(number: u64) -> Result<ChainId, Invalid> {
        match number {
            1..=LARGEST => Ok(ChainId(number)),
            _ => Err(Invalid::new("chain id", "must be between 1 and 9223372036854775771 (EIP-2294)")),
        }
    }

    /// The number that the chain calls itself by.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The number for a `bigint` column.
    pub const fn as_i64(self) -> i64 {
        self.0 as i64
    }

    /// The two words of a routing key.
    pub fn routing_words(self) -> String {
        format!("eip155.{}", self.0)
    }
}

impl FromStr for ChainId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<ChainId, Invalid> {
        let wrong = Invalid::new("chain id", "must be eip155: and a decimal number");
        let digits = text.strip_prefix("eip155:").ok_or(wrong.clone())?;
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong);
        }
        ChainId::new(digits.parse().map_err(|_| wrong)?)
    }
}

impl TryFrom<i64> for ChainId {
    type Error = Invalid;

    fn try_from(number: i64) -> Result<ChainId, Invalid> {
        ChainId::new(u64::try_from(number).unwrap_or(0))
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eip155:{}", self.0)
    }
}

crate::as_string!(ChainId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_eip_2294_are_refused() {
        assert!(ChainId::new(LARGEST).is_ok());
        assert!(ChainId::new(LARGEST + 1).is_err());
        assert!("eip155:18446744073709551617".parse::<ChainId>().is_err());
        assert!("eip155:0".parse::<ChainId>().is_err());
        assert!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp".parse::<ChainId>().is_err());
        assert!("eip155:+1".parse::<ChainId>().is_err());
    }
}
