//! The figures of a user.

use amounts::U256;
use async_graphql::{Object, Result, SimpleObject};
use proto::user::v1 as pb;

use super::{
    chain::Currency,
    scalar::{BigInt, DateTime, moment, ours_or_none},
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
    fn of_wei(raw: &str) -> Result<Money> {
        let raw = ours_or_none(raw)?.unwrap_or(BigInt(U256::ZERO));
        Ok(Money { currency: Currency::ether(), raw, decimal: decimal(raw.0, 18) })
    }
}

/// What a user has made, owns and has traded. The figures follow what happens within a minute or so.
pub(crate) struct UserStats(pub(crate) pb::Stats);

#[Object]
impl UserStats {
    /// Collections that were made by accounts of the user.
    async fn collections_count(&self) -> i32 {
        self.0.collections_count
    }

    /// Tokens that the user owns.
    async fn items_count(&self) -> i32 {
        self.0.items_count
    }

    /// Tokens that the user offers now.
    async fn listings_count(&self) -> i32 {
        self.0.listings_count
    }

    async fn sales_count(&self) -> i32 {
        self.0.sales_count
    }

    async fn purchases_count(&self) -> i32 {
        self.0.purchases_count
    }

    /// What the sales brought, where they were paid in the native currency.
    async fn volume_sold(&self) -> Result<Money> {
        Money::of_wei(&self.0.volume_sold)
    }

    /// What the purchases cost, where they were paid in the native currency.
    async fn volume_purchased(&self) -> Result<Money> {
        Money::of_wei(&self.0.volume_purchased)
    }

    async fn followers_count(&self) -> i32 {
        self.0.followers_count
    }

    async fn following_count(&self) -> i32 {
        self.0.following_count
    }

    /// When the figures were last asked for.
    async fn updated_at(&self) -> Option<DateTime> {
        moment(self.0.update_time.as_ref())
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
