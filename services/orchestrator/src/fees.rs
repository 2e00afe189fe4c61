//! What a transaction offers for gas: the registry's suggestion, and a margin on what the call was found to need.

use alloy::primitives::U256;

/// Wei for each unit of gas, as the registry suggests it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) max_fee: U256,
    pub(crate) priority_fee: U256,
}

/// Gas with a margin in per cent, rounded up.
pub(crate) fn with_margin(gas: u64, percent: u32) -> u64 {
    let whole = (u128::from(gas) * (100 + u128::from(percent))).div_ceil(100);
    u64::try_from(whole).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_margin_is_rounded_up_and_never_wraps() {
        assert_eq!(with_margin(21_000, 20), 25_200);
        assert_eq!(with_margin(1, 1), 2);
        assert_eq!(with_margin(7, 0), 7);
        assert_eq!(with_margin(u64::MAX, 20), u64::MAX);
    }
}
