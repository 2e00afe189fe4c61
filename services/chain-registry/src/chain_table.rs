//! The chains that are known without being told: `chains.json`, checked in beside this crate. None is used before an
//! operator gives it an endpoint. A `start_block` is a bound: nothing of the contract happened before it.

use std::sync::LazyLock;

use chrono::DateTime;
use ids::{Address, ChainId};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::{Chain, Contract, GasPolicy};

static CHAINS: LazyLock<Vec<Chain>> = LazyLock::new(|| {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../chains.json"))
        .expect("a test reads the table that is compiled in");
    rows.into_iter().map(Chain::from).collect()
});

/// All of them, switched off.
pub(crate) fn all() -> &'static [Chain] {
    &CHAINS
}

/// One of them.
pub(crate) fn find(chain_id: ChainId) -> Option<&'static Chain> {
    all().iter().find(|chain| chain.chain_id == chain_id)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    chain_id: ChainId,
    name: String,
    native_symbol: String,
    explorer_url: String,
    confirmations: i32,
    block_time_millis: i32,
    finality_blocks: i32,
    reorg_depth: i32,
    #[serde(default)]
    features: Map<String, Value>,
    gas_policy: PolicyRow,
    contracts: Vec<ContractRow>,
}

/// The cap is far above what the chain has ever asked for long: it is there for the day on which an endpoint makes a price
/// up. A tip is said only where blocks take nothing below one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyRow {
    max_fee_gwei: String,
    #[serde(default)]
    priority_fee_gwei: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractRow {
    name: String,
    address: Address,
    start_block: i64,
    standard: String,
}

impl From<Row> for Chain {
    fn from(row: Row) -> Chain {
        let contract = |contract: ContractRow| Contract {
            name: contract.name,
            address: contract.address,
            start_block: contract.start_block,
            standard: contract.standard,
            impl_address: None,
            abi_sha256: None,
            first_seen_at: DateTime::UNIX_EPOCH,
        };
        Chain {
            chain_id: row.chain_id,
            name: row.name,
            native_symbol: row.native_symbol,
            decimals: 18,
            explorer_url: Some(row.explorer_url),
            enabled: false,
            confirmations: row.confirmations,
            reorg_depth: row.reorg_depth,
            block_time_millis: row.block_time_millis,
            finality_blocks: row.finality_blocks,
            features: row.features,
            contracts: row.contracts.into_iter().map(contract).collect(),
            gas_policy: Some(GasPolicy {
                max_fee_gwei: Some(row.gas_policy.max_fee_gwei),
                priority_fee_gwei: row.gas_policy.priority_fee_gwei,
                updated_at: DateTime::UNIX_EPOCH,
                ..GasPolicy::usual()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_of_the_table_may_be_stored_and_can_be_traded_on() {
        let ids: Vec<u64> = all().iter().map(|chain| chain.chain_id.number()).collect();
        assert_eq!(ids, [1, 10, 137, 8453, 42161, 11_155_111]);
        for chain in all() {
            assert_eq!(chain.violations(), [], "{}", chain.name);
            assert!(
                chain.contracts.iter().all(|contract| contract.violations().is_empty()),
                "{}",
                chain.name
            );
            let of = |standard: &str| chain.contracts.iter().filter(|c| c.standard == standard).count();
            assert_eq!((of("exchange"), of("ERC20"), chain.contracts.len()), (1, 1, 2), "{}", chain.name);
            assert!(chain.finality_blocks >= chain.confirmations, "{}", chain.name);
            let policy = chain.gas_policy.as_ref().unwrap();
            assert!(policy.max_fee_gwei.is_some(), "{}", chain.name);
            // What the OP Stack charges for data is not in the gas; Arbitrum has it in there.
            let has_l1_fee = chain.features.get("l1DataFee") == Some(&Value::Bool(true));
            assert_eq!(has_l1_fee, [10, 8453].contains(&chain.chain_id.number()), "{}", chain.name);
            // Bor's bridge adds logs to a block that its header's bloom does not have.
            let has_outside = chain.features.get("logsOutsideBloom") == Some(&Value::Bool(true));
            assert_eq!(has_outside, chain.chain_id.number() == 137, "{}", chain.name);
        }
    }
}
