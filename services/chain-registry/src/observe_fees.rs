//! What gas costs on a chain now, asked so that an endpoint that stands still, or makes a price up, is found out.

use std::time::Duration;

use alloy::primitives::{U64, U128};
use evm::{Fees, Header, Node, NodeError};
use serde::Deserialize;
use serde_json::{Value, json};

/// An endpoint that was found out is left; the next one may know better.
const TRIES: u32 = 2;
/// How much earlier than the head the history may end: who answers may be another endpoint than who said the head.
const BEHIND_TIME: Duration = Duration::from_secs(6);
const BEHIND_BLOCKS: u64 = 3;
/// From one block to the next the base fee moves by an eighth at most; over some blocks it may come to this factor.
const MOVES_BY: u128 = 2;
/// A base fee of some wei moves by a wei at least.
const MOVES_FREELY: u128 = 16;

/// The head comes first: it is judged against what other endpoints say, and who lags behind is left.
pub(crate) async fn observe_fees(node: &Node, block_time: Duration) -> Result<Fees, NodeError> {
    let mut why = "";
    for _ in 0..TRIES {
        let head = node.latest_header().await?;
        let history: Option<History> =
            node.request("eth_feeHistory", json!(["0x5", "latest", [50.0]])).await?;
        let history = history.unwrap_or_default();
        match history.next_base_fee(&head, block_time) {
            Ok(base_fee) => return Ok(Fees { base_fee, priority_fee: priority_fee(node, &history).await? }),
            Err(found) => why = found,
        }
        node.doubt(why);
    }
    Err(NodeError::Lie(why))
}

async fn priority_fee(node: &Node, history: &History) -> Result<u128, NodeError> {
    match node.request::<U128>("eth_maxPriorityFeePerGas", json!([])).await {
        Ok(fee) => Ok(fee.to()),
        // Not every chain has the method; what recent blocks paid stands in for it.
        Err(NodeError::Rpc { .. }) => Ok(history.median_reward()),
        Err(err) => Err(err),
    }
}

/// The fees of some blocks, and that of the block which comes after them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct History {
    oldest_block: U64,
    base_fee_per_gas: Vec<U128>,
    reward: Option<Vec<Vec<Value>>>,
}

impl History {
    /// What the next block asks for, or why this cannot be believed beside the head.
    fn next_base_fee(&self, head: &Header, block_time: Duration) -> Result<u128, &'static str> {
        let next = self.base_fee_per_gas.last().ok_or("a fee history without fees")?.to::<u128>();
        let blocks = u64::try_from(self.base_fee_per_gas.len()).unwrap_or(u64::MAX);
        let newest = self.oldest_block.to::<u64>().saturating_add(blocks).saturating_sub(2);
        let behind = BEHIND_TIME.as_millis().div_ceil(block_time.as_millis().max(1));
        let behind = u64::try_from(behind).unwrap_or(u64::MAX).max(BEHIND_BLOCKS);
        if newest.saturating_add(behind) < head.number {
            return Err("a fee history that ends long before the head");
        }
        let Some(of_head) = head.base_fee_per_gas else { return Ok(next) };
        let least = of_head / MOVES_BY;
        let most = of_head.saturating_mul(MOVES_BY).saturating_add(MOVES_FREELY);
        match (least..=most).contains(&next) {
            true => Ok(next),
            false => Err("a base fee far from that of the head"),
        }
    }

    fn median_reward(&self) -> u128 {
        let rewards = self.reward.iter().flatten().filter_map(|block| block.first());
        let rewards = rewards.filter_map(|fee| serde_json::from_value::<U128>(fee.clone()).ok());
        let mut rewards: Vec<u128> = rewards.map(|fee| fee.to()).collect();
        rewards.sort_unstable();
        rewards.get(rewards.len() / 2).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bloom};

    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn head(number: u64, base_fee_per_gas: Option<u128>) -> Header {
        let (hash, parent_hash, timestamp) = (B256::ZERO, B256::ZERO, 0);
        Header { number, hash, parent_hash, timestamp, logs_bloom: Bloom::ZERO, base_fee_per_gas }
    }

    fn next(history: Value, head: &Header, block_time: Duration) -> Result<u128, &'static str> {
        serde_json::from_value::<History>(history).unwrap().next_base_fee(head, block_time)
    }

    fn history(oldest: u64, fees: &[u128]) -> Value {
        let fees: Vec<U128> = fees.iter().copied().map(U128::from).collect();
        json!({ "oldestBlock": U64::from(oldest), "baseFeePerGas": fees, "reward": [["0x3"], ["0x1"], ["0x2"]] })
    }

    #[test]
    fn the_fee_of_the_next_block_is_taken_from_a_history_that_fits_the_head() {
        let (slow, fast) = (Duration::from_secs(12), Duration::from_millis(250));
        let fits = history(99, &[8 * GWEI, 9 * GWEI, 10 * GWEI]);
        assert_eq!(next(fits.clone(), &head(100, Some(9 * GWEI)), slow), Ok(10 * GWEI));
        assert_eq!(next(fits.clone(), &head(103, Some(9 * GWEI)), slow), Ok(10 * GWEI));
        assert_eq!(next(fits.clone(), &head(124, Some(9 * GWEI)), fast), Ok(10 * GWEI));
        assert_eq!(next(history(0, &[0, 0]), &head(0, None), slow), Ok(0), "a chain without base fees");
        assert_eq!(next(history(0, &[0, 0]), &head(0, Some(0)), slow), Ok(0));
        assert_eq!(next(history(5, &[7, 8]), &head(5, Some(1)), slow), Ok(8), "some wei are nothing");
        assert_eq!(serde_json::from_value::<History>(fits).unwrap().median_reward(), 2);
    }

    #[test]
    fn what_is_absent_old_or_far_from_the_head_is_no_price() {
        let slow = Duration::from_secs(12);
        let of_head = head(100, Some(9 * GWEI));
        for empty in [json!({}), history(99, &[]), json!({ "oldestBlock": "0x63" })] {
            assert_eq!(next(empty, &of_head, slow), Err("a fee history without fees"));
        }
        let old = history(94, &[9 * GWEI, 9 * GWEI, 9 * GWEI, 9 * GWEI]);
        assert_eq!(next(old, &of_head, slow), Err("a fee history that ends long before the head"));
        for far in [0, GWEI, 4 * GWEI, 19 * GWEI, u128::MAX] {
            let far = history(100, &[9 * GWEI, far]);
            assert_eq!(next(far, &of_head, slow), Err("a base fee far from that of the head"));
        }
    }
}
