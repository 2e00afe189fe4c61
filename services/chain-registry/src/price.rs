//! What a transaction should offer for gas: what the chain asks, within its policy. Exact, never a float.

use std::str::FromStr;

use amounts::U256;
use bigdecimal::{BigDecimal, RoundingMode, Zero, num_bigint::BigInt};

use crate::model::GasPolicy;

/// What gas may cost on a chain, in wei.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PricePolicy {
    max_fee: Option<U256>,
    priority_fee: Option<U256>,
    /// Of the base fee, so that it may rise while somebody thinks about signing.
    multiplier: BigDecimal,
}

/// What a node suggests as a tip is one node's word: it is followed up to this multiple of the base fee, and up to this
/// many wei where the base fee is next to nothing. A chain that wants more has it said in its policy.
const TIP_MOST_OF_BASE: u64 = 2;
const TIP_FREELY: u64 = 5_000_000_000;

/// What to offer, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) max_fee: U256,
    pub(crate) priority_fee: U256,
    /// The policy's cap is below what the next block asks for: the offer will wait.
    pub(crate) capped: bool,
}

impl PricePolicy {
    /// From the registry's decimal texts; None where they make no sense, which the registry's rules keep out.
    pub(crate) fn parse(policy: &GasPolicy) -> Option<PricePolicy> {
        let optional = |text: &Option<String>| match text {
            None => Some(None),
            Some(text) => wei_of_gwei(text).map(Some),
        };
        let one = BigDecimal::from(1);
        let multiplier = BigDecimal::from_str(&policy.multiplier).ok().filter(|factor| *factor >= one)?;
        let (max_fee, priority_fee) = (optional(&policy.max_fee_gwei)?, optional(&policy.priority_fee_gwei)?);
        Some(PricePolicy { max_fee, priority_fee, multiplier })
    }

    /// The policy's cap holds above all; the tip never exceeds the whole.
    pub(crate) fn price(&self, observed: evm::Fees) -> Price {
        let asked = U256::from(observed.base_fee);
        let most = asked.saturating_mul(U256::from(TIP_MOST_OF_BASE)).max(U256::from(TIP_FREELY));
        let tip = self.priority_fee.unwrap_or(U256::from(observed.priority_fee).min(most));
        let base = amounts::to_decimal(asked) * &self.multiplier;
        let base = amounts::from_decimal(&base.with_scale_round(0, RoundingMode::Up)).unwrap_or(U256::MAX);
        let wanted = base.saturating_add(tip);
        let max_fee = self.max_fee.map_or(wanted, |cap| wanted.min(cap));
        Price { max_fee, priority_fee: tip.min(max_fee), capped: max_fee < asked }
    }
}

fn wei_of_gwei(text: &str) -> Option<U256> {
    let wei = BigDecimal::from_str(text).ok()? * BigDecimal::from(1_000_000_000);
    if wei < BigDecimal::zero() {
        return None;
    }
    amounts::from_decimal(&wei.with_scale_round(0, RoundingMode::Down)).ok()
}

/// For people and for the column.
pub(crate) fn gwei_of_wei(wei: u128) -> String {
    BigDecimal::new(BigInt::from(wei), 9).normalized().to_plain_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn policy(max_fee: &str, priority_fee: &str, multiplier: &str) -> Option<PricePolicy> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        PricePolicy::parse(&GasPolicy {
            max_fee_gwei: some(max_fee),
            priority_fee_gwei: some(priority_fee),
            multiplier: multiplier.into(),
            ..GasPolicy::usual()
        })
    }

    fn price(policy: Option<PricePolicy>, base_fee: u128, priority_fee: u128) -> (u128, u128, bool) {
        let price = policy.unwrap().price(evm::Fees { base_fee, priority_fee });
        (price.max_fee.to(), price.priority_fee.to(), price.capped)
    }

    #[test]
    fn the_fee_is_the_multiplied_base_and_the_tip() {
        assert_eq!(price(policy("", "", "1.5"), 10 * GWEI, GWEI), (16 * GWEI, GWEI, false));
        let expected = (20 * GWEI + GWEI / 4, GWEI / 4, false);
        assert_eq!(price(policy("", "0.25", "2"), 10 * GWEI, GWEI), expected);
    }

    #[test]
    fn the_cap_holds_above_all_and_the_tip_stays_within_it() {
        assert_eq!(price(policy("5", "", "2"), 10 * GWEI, 7 * GWEI), (5 * GWEI, 5 * GWEI, true));
        assert_eq!(price(policy("15", "", "2"), 10 * GWEI, 7 * GWEI), (15 * GWEI, 7 * GWEI, false));
        assert_eq!(
            price(policy("10", "", "2"), 10 * GWEI, 0),
            (10 * GWEI, 0, false),
            "enough for the base fee"
        );
    }

    #[test]
    fn a_tip_beyond_reason_is_cut_unless_the_policy_says_it() {
        let greedy = 9_000 * GWEI;
        assert_eq!(price(policy("", "", "2"), 10 * GWEI, greedy), (40 * GWEI, 20 * GWEI, false));
        assert_eq!(price(policy("", "", "2"), 7, greedy), (14 + 5 * GWEI, 5 * GWEI, false));
        assert_eq!(price(policy("", "30", "2"), GWEI, greedy), (32 * GWEI, 30 * GWEI, false));
    }

    #[test]
    fn a_base_fee_of_one_wei_is_not_rounded_away() {
        assert_eq!(price(policy("", "0", "1.125"), 7, 3), (8, 0, false));
    }

    #[test]
    fn the_largest_fee_is_still_exact() {
        let policy = policy("", "0", "1.000000000000000001").unwrap();
        let price = policy.price(evm::Fees { base_fee: u128::MAX, priority_fee: 0 });
        // 2^128 - 1 and its 10^18th part, rounded up.
        assert_eq!(price.max_fee.to_string(), "340282366920938463803656974352706674919");
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_none() {
        assert_eq!(policy("-1", "", "2"), None);
        assert_eq!(policy("", "", "0.5"), None);
        assert_eq!(policy("x", "", "2"), None);
    }

    #[test]
    fn gwei_are_written_as_people_write_them() {
        for (wei, gwei) in
            [(0, "0"), (1, "0.000000001"), (GWEI, "1"), (1_500_000_000, "1.5"), (70 * GWEI, "70")]
        {
            assert_eq!(gwei_of_wei(wei), gwei);
        }
    }
}
