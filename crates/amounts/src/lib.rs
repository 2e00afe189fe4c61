//! Unsigned 256-bit amounts, and their way to `numeric` columns and decimal strings.
//!
//! Never a float, never 64 bits: 18.5 ETH in wei already overflows a `u64`.

pub use alloy_primitives::U256;
use bigdecimal::{
    BigDecimal,
    num_bigint::{BigInt, Sign},
};

/// Why a value is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a plain decimal number.
    #[error("amount: must be a decimal number without sign, point or leading zeros")]
    NotDecimal,
    /// Does not fit 256 bits.
    #[error("amount: must be below 2^256")]
    TooLarge,
    /// A column held what no amount can be.
    #[error("amount: a negative or fractional number was stored")]
    NotWhole,
}

/// Reads the decimal string that every wire carries.
///
/// ```
/// assert_eq!(amounts::parse("18500000000000000000").unwrap().to_string(), "18500000000000000000");
/// assert!(amounts::parse("1.5").is_err());
/// ```
pub fn parse(text: &str) -> Result<U256, Invalid> {
    let is_canonical = text == "0" || !text.starts_with('0');
    if text.is_empty() || !is_canonical || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Invalid::NotDecimal);
    }
    U256::from_str_radix(text, 10).map_err(|_| Invalid::TooLarge)
}

/// For a `numeric(78,0)` column.
pub fn to_decimal(amount: U256) -> BigDecimal {
    BigDecimal::from_bigint(BigInt::from_bytes_be(Sign::Plus, &amount.to_be_bytes::<32>()), 0)
}

/// From a `numeric(78,0)` column.
pub fn from_decimal(decimal: &BigDecimal) -> Result<U256, Invalid> {
    let (digits, scale) = decimal.with_scale(0).into_bigint_and_scale();
    if scale != 0 || !decimal.is_integer() || digits.sign() == Sign::Minus {
        return Err(Invalid::NotWhole);
    }
    let (_, bytes) = digits.to_bytes_be();
    U256::try_from_be_slice(&bytes).ok_or(Invalid::TooLarge)
}

/// Serde as a decimal string: `#[serde(with = "amounts::decimal")]`.
pub mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::U256;

    /// Writes the decimal string.
    pub fn serialize<S: Serializer>(amount: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    /// Reads the decimal string.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        super::parse(&text).map_err(Error::custom)
    }
}

/// The same where there may be none: `#[serde(default, with = "amounts::maybe_decimal")]`.
pub mod maybe_decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::U256;

    /// Writes the decimal string, or nothing.
    pub fn serialize<S: Serializer>(amount: &Option<U256>, serializer: S) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => serializer.collect_str(amount),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the decimal string, or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<U256>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.map(|text| super::parse(&text).map_err(Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_amount_survives_the_column_and_the_wire(bytes in any::<[u8; 32]>()) {
            let amount = U256::from_be_bytes(bytes);
            prop_assert_eq!(from_decimal(&to_decimal(amount)), Ok(amount));
            prop_assert_eq!(parse(&amount.to_string()), Ok(amount));
        }
    }

    #[test]
    fn the_edges_are_exact() {
        assert_eq!(from_decimal(&to_decimal(U256::MAX)), Ok(U256::MAX));
        assert_eq!(from_decimal(&to_decimal(U256::ZERO)), Ok(U256::ZERO));
        let beyond: BigDecimal = (to_decimal(U256::MAX)) + BigDecimal::from(1);
        assert_eq!(from_decimal(&beyond), Err(Invalid::TooLarge));
        assert_eq!(from_decimal(&BigDecimal::from(-1)), Err(Invalid::NotWhole));
        assert_eq!(from_decimal(&"1.5".parse().unwrap()), Err(Invalid::NotWhole));
    }

    #[test]
    fn a_column_with_trailing_zeros_is_the_same_amount() {
        let scaled: BigDecimal = "1000.000".parse().unwrap();
        assert_eq!(from_decimal(&scaled), Ok(U256::from(1000)));
    }
}
