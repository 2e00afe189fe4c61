//! What a transaction offers for gas: what the node observes, within the chain's policy.

use std::str::FromStr;

use alloy::primitives::U256;
use bigdecimal::{BigDecimal, RoundingMode, Zero};

/// What gas may cost on a chain, in wei.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GasPolicy {
    pub(crate) max_fee: Option<U256>,
    pub(crate) priority_fee: Option<U256>,
    /// Of the base fee, so that it may rise while somebody thinks about signing.
    pub(crate) multiplier: BigDecimal,
}

impl Default for GasPolicy {
    fn default() -> GasPolicy {
        GasPolicy { max_fee: None, priority_fee: None, multiplier: BigDecimal::from(2) }
    }
}

impl GasPolicy {
    /// From the registry's gwei strings; an empty one says nothing.
    pub(crate) fn parse(max_fee: &str, priority_fee: &str, multiplier: &str) -> Option<GasPolicy> {
        let optional = |text: &str| if text.is_empty() { Some(None) } else { wei_of_gwei(text).map(Some) };
        let one = BigDecimal::from(1);
        let multiplier = match multiplier {
            "" => GasPolicy::default().multiplier,
            text => BigDecimal::from_str(text).ok().filter(|factor| *factor >= one)?,
        };
        Some(GasPolicy { max_fee: optional(max_fee)?, priority_fee: optional(priority_fee)?, multiplier })
    }

    /// `maxFeePerGas` and `maxPriorityFeePerGas`. The policy's cap holds above all; the tip never exceeds the whole.
    pub(crate) fn price(&self, observed: evm::Fees) -> (U256, U256) {
        let priority = self.priority_fee.unwrap_or(U256::from(observed.priority_fee));
        let base = amounts::to_decimal(U256::from(observed.base_fee)) * &self.multiplier;
        let base = amounts::from_decimal(&base.with_scale_round(0, RoundingMode::Up)).unwrap_or(U256::MAX);
        let wanted = base.saturating_add(priority);
        let max_fee = self.max_fee.map_or(wanted, |cap| wanted.min(cap));
        (max_fee, priority.min(max_fee))
    }
}

fn wei_of_gwei(text: &str) -> Option<U256> {
    let wei = BigDecimal::from_str(text).ok()? * BigDecimal::from(1_000_000_000);
    if wei < BigDecimal::zero() {
        return None;
    }
    amounts::from_decimal(&wei.with_scale_round(0, RoundingMode::Down)).ok()
}

/// Gas with a margin in per cent.
pub(crate) fn with_margin(gas: u64, percent: u32) -> U256 {
    U256::from(gas) * U256::from(100 + u64::from(percent)) / U256::from(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    #[test]
    fn the_fee_is_the_multiplied_base_and_the_tip() {
        let observed = evm::Fees { base_fee: 10 * GWEI, priority_fee: GWEI };
        let policy = GasPolicy::parse("", "", "1.5").unwrap();
        assert_eq!(policy.price(observed), (U256::from(16 * GWEI), U256::from(GWEI)));
        let policy = GasPolicy::parse("", "0.25", "2").unwrap();
        assert_eq!(policy.price(observed), (U256::from(20 * GWEI + GWEI / 4), U256::from(GWEI / 4)));
    }

    #[test]
    fn the_cap_holds_above_all_and_the_tip_stays_within_it() {
        let observed = evm::Fees { base_fee: 10 * GWEI, priority_fee: 7 * GWEI };
        let policy = GasPolicy::parse("5", "", "2").unwrap();
        assert_eq!(policy.price(observed), (U256::from(5 * GWEI), U256::from(5 * GWEI)));
    }

    #[test]
    fn a_base_fee_of_one_wei_is_not_rounded_away() {
        let policy = GasPolicy::parse("", "0", "1.125").unwrap();
        assert_eq!(policy.price(evm::Fees { base_fee: 7, priority_fee: 3 }), (U256::from(8), U256::ZERO));
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_none() {
        assert_eq!(GasPolicy::parse("-1", "", "2"), None);
        assert_eq!(GasPolicy::parse("", "", "0.5"), None);
        assert_eq!(GasPolicy::parse("x", "", "2"), None);
        assert_eq!(GasPolicy::parse("", "", ""), Some(GasPolicy::default()));
    }
}
