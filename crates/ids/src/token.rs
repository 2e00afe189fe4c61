//! The number of a token inside its contract.

use std::{fmt, str::FromStr};

use alloy_primitives::U256;

use crate::Invalid;

/// An unsigned 256-bit number, written in decimal: never a float, never 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(U256);

impl TokenId {
    /// From the number.
    pub const fn new(number: U256) -> TokenId {
        TokenId(number)
    }

    /// The number, for calldata and arithmetic.
    pub const fn number(self) -> U256 {
        self.0
    }
}

impl FromStr for TokenId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<TokenId, Invalid> {
        let is_canonical = text == "0" || !text.starts_with('0');
        if text.is_empty() || text.len() > 78 || !is_canonical || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::new("token id", "must be a decimal number without sign or leading zeros"));
        }
        U256::from_str_radix(text, 10)
            .map(TokenId)
            .map_err(|_| Invalid::new("token id", "must be below 2^256"))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

crate::as_string!(TokenId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_survives_and_one_more_is_refused() {
        let largest = U256::MAX.to_string();
        assert_eq!(largest.parse::<TokenId>().unwrap().to_string(), largest);
        let beyond = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        assert!(beyond.parse::<TokenId>().is_err());
        for text in ["", "-1", "+1", "01", "0x1", "1.0", " 1"] {
            assert!(text.parse::<TokenId>().is_err(), "{text:?}");
        }
    }
}
