//! Tests of what calls take, of who can pay for them, and of calls that only work after others.

use abi::standards::Erc20;
use alloy::sol_types::SolCall;
use evm::Endpoint;
use ids::ChainId;
use serde_json::json;

use super::*;
use crate::model::Problem;

fn problem(found: Result<impl std::fmt::Debug, Error>) -> Problem {
    match found.unwrap_err() {
        Error::WillFail(problem, _) => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn amounts_are_told_exactly() {
    assert_eq!(ether(U256::ZERO), "0");
    assert_eq!(ether(U256::from(1)), "0.000000000000000001");
    assert_eq!(ether(U256::from(1_500_000_000_000_000_000_u64)), "1.5");
    let most = "115792089237316195423570985008687907853269984665640564039457.584007913129639935";
    assert_eq!(ether(U256::MAX), most);
}

#[test]
fn a_wallet_that_cannot_pay_for_gas_is_told_both_amounts() {
    let coin = U256::from(10).pow(U256::from(18));
    assert!(require_balance(coin, coin, U256::ZERO).is_ok());
    let problem = problem(require_balance(coin, coin, U256::from(1)));
    assert_eq!(problem.code, "INSUFFICIENT_BALANCE");
    assert!(problem.message.contains("holds 1 of"), "{}", problem.message);
    assert!(problem.message.contains("needs 1.000000000000000001: 1 to pay"), "{}", problem.message);
    assert!(require_balance(U256::MAX, U256::MAX, U256::MAX).is_ok());
}

#[test]
fn a_margin_never_leads_beyond_the_block_and_a_call_that_does_not_fit_is_told() {
    let of = |needed: u64, block: u64| within_block(vec![Gas::of(needed, 20)], block);
    assert_eq!(of(100_000, 30_000_000).unwrap()[0].limit, 120_000);
    assert_eq!(of(100_000, 110_000).unwrap()[0].limit, 110_000);
    assert_eq!(of(1, 30_000_000).unwrap()[0].limit, 25_200);
    assert_eq!(of(16_000_000, 30_000_000).unwrap()[0].limit, GAS_OF_ONE_MAX);
    assert_eq!(of(20_000_000, 30_000_000).unwrap()[0].limit, 24_000_000);
    assert_eq!(problem(of(100_001, 100_000)).code, "TX_WILL_FAIL");
}

/// Calls of one account to one contract.
fn calls(from: &str, to: Address, calls: Vec<(Vec<u8>, u64)>) -> Vec<Call> {
    let from: Address = from.parse().unwrap();
    let call = |(data, value): (Vec<u8>, u64)| Call {
        title: String::new(),
        description: String::new(),
        from,
        to,
        data,
        value: U256::from(value),
    };
    calls.into_iter().map(call).collect()
}

#[tokio::test]
async fn a_later_call_is_tried_on_what_the_ones_before_it_leave_and_its_gas_is_enough() {
    let chain = testkit::chain().await;
    let node =
        Node::new(ChainId::new(31_337).unwrap(), vec![Endpoint::new(chain.url.parse().unwrap(), 0, 1)]);
    let (coin, _) = chain.deploy(abi::artifact("WrappedEther").unwrap()).await;
    let accounts = chain.rpc("eth_accounts", json!([])).await;
    let owner = accounts[3].as_str().unwrap().to_lowercase();
    let deposit = alloy::primitives::keccak256("deposit()")[..4].to_vec();
    let transfer = |amount: u64| Erc20::transferCall { to: coin, amount: U256::from(amount) }.abi_encode();
    let planned = calls(&owner, coin.into(), vec![(deposit.clone(), 5), (transfer(5), 0)]);
    let gas = try_calls(&node, &planned.iter().collect::<Vec<_>>(), 20).await.unwrap();
    assert!(gas.iter().all(|gas| gas.is_simulated));

    // The node's word for what the second used is less than it needs to run; what is offered is enough.
    for (call, gas) in planned.iter().zip(&gas) {
        let transaction = json!({
            "from": owner,
            "to": coin,
            "data": alloy::primitives::Bytes::from(call.data.clone()),
            "value": format!("{:#x}", call.value),
            "gas": format!("{:#x}", gas.limit),
        });
        let hash = chain.rpc("eth_sendTransaction", json!([transaction])).await;
        let receipt = testkit::eventually(std::time::Duration::from_secs(30), "it is mined", async || {
            let receipt = chain.rpc("eth_getTransactionReceipt", json!([hash])).await;
            (!receipt.is_null()).then_some(receipt)
        });
        assert_eq!(receipt.await["status"], "0x1");
    }

    // On its own, and after too small a deposit, the transfer fails.
    let alone = calls(&owner, coin.into(), vec![(transfer(5), 0)]);
    let found = try_calls(&node, &alone.iter().collect::<Vec<_>>(), 20).await;
    assert_eq!(problem(found).code, "INSUFFICIENT_BALANCE");
    let short = calls(&owner, coin.into(), vec![(deposit, 4), (transfer(5), 0)]);
    let found = problem(try_calls(&node, &short.iter().collect::<Vec<_>>(), 20).await);
    assert_eq!(found.code, "INSUFFICIENT_BALANCE");
    assert!(found.message.contains("balance: 4, needed: 5"), "{}", found.message);
}

#[test]
fn a_node_that_cannot_try_calls_in_a_row_leaves_the_later_ones_marked() {
    let unknown = NodeError::Rpc { code: -32601, message: "no such method".into(), revert_data: None };
    let gas = later_gas(Err(unknown), 2, 20).unwrap();
    assert_eq!(gas, vec![UNTRIED; 2]);
    assert!(!gas[0].is_simulated && gas[0].limit >= 500_000);
    let silent = NodeError::Timeout(std::time::Duration::from_secs(1));
    assert!(matches!(later_gas(Err(silent), 1, 20), Err(Error::Unavailable(_))));
}

#[test]
fn a_later_call_that_reverts_says_why() {
    let tried = |is_success, revert_data: Option<&'static [u8]>| Simulated {
        is_success,
        gas_used: 100_000,
        return_data: Default::default(),
        revert_data: revert_data.map(alloy::primitives::Bytes::from_static),
        message: Some("execution reverted: \u{202e}no".into()),
        logs: vec![],
    };
    let gas = later_gas(Ok(vec![tried(true, None), tried(true, None)]), 1, 20).unwrap();
    assert_eq!(gas[0].limit, 150_000);
    let found = problem(later_gas(Ok(vec![tried(true, None), tried(false, None)]), 1, 20));
    assert_eq!((found.code.as_str(), found.message.as_str()), ("TX_WILL_FAIL", "execution reverted: no"));
    let found = later_gas(Ok(vec![tried(true, None), tried(false, Some(&[0x10, 0xfd, 0xa3, 0xe1]))]), 1, 20);
    assert_eq!(problem(found).code, "TX_WILL_FAIL");
}

#[tokio::test]
async fn what_the_machine_itself_ends_will_fail_and_is_no_failure_of_the_node() {
    let chain = testkit::chain().await;
    let node =
        Node::new(ChainId::new(31_337).unwrap(), vec![Endpoint::new(chain.url.parse().unwrap(), 0, 1)]);
    let accounts = chain.rpc("eth_accounts", json!([])).await;
    let owner = accounts[3].as_str().unwrap().to_lowercase();
    let target: Address = format!("0x{:040x}", 66).parse().unwrap();
    // A wrong opcode, an unknown one, an empty stack, a jump to nowhere, a loop without an end.
    for code in ["0xfe", "0x0c", "0x50", "0x600056", "0x5b5f56"] {
        chain.rpc("anvil_setCode", json!([target.to_lower(), code])).await;
        let planned = calls(&owner, target, vec![(vec![], 0)]);
        let found = problem(try_calls(&node, &planned.iter().collect::<Vec<_>>(), 20).await);
        assert_eq!(found.code, "TX_WILL_FAIL", "{code}");
    }
    // The endpoint is asked on: it was not its fault.
    assert!(node.block_number().await.is_ok());
}
