//! Amounts with their currency, exact in both forms.

use amounts::U256;
use async_graphql::{Result, SimpleObject};

use super::{
    chain::Currency,
    scalar::{BigInt, ours, ours_or_none},
};

/// An amount of a currency.
#[derive(SimpleObject)]
pub(crate) struct Money {
    currency: Currency,
    /// In the currency's smallest unit.
    raw: BigInt,
    /// In the currency itself, exactly: `0.1`.
    decimal: String,
}

impl Money {
    /// An amount in wei of the native currency.
    pub(crate) fn of_wei(raw: &str) -> Result<Money> {
        let raw = ours_or_none(raw)?.unwrap_or(BigInt(U256::ZERO));
        Ok(Money { currency: Currency::ether(), raw, decimal: decimal(raw.0, 18) })
    }

    /// An amount of a currency, in its smallest unit.
    pub(crate) fn of(raw: &str, currency: Currency) -> Result<Money> {
        let raw: BigInt = ours(raw)?;
        Ok(Money { decimal: decimal(raw.0, currency.decimals as usize), raw, currency })
    }
}

/// The number with its point put in place, without zeros that say nothing.
fn decimal(raw: U256, decimals: usize) -> String {
    let digits = format!("{:0>width$}", raw.to_string(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wei_become_ether_without_losing_a_digit() {
        for (raw, shown) in [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("100000000000000000", "0.1"),
            ("1000000000000000000", "1"),
            ("20000000000000000000", "20"),
            ("12345000000000000000001", "12345.000000000000000001"),
        ] {
            assert_eq!(decimal(raw.parse().unwrap(), 18), shown);
        }
        assert_eq!(decimal("250".parse().unwrap(), 0), "250");
    }

    #[test]
    fn an_empty_volume_is_zero() {
        assert_eq!(Money::of_wei("").unwrap().decimal, "0");
    }
}
