//! Each question, asked of a real chain.

use std::time::Duration;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
    rpc::types::{Filter, TransactionRequest},
};
use evm::{Endpoint, Node};
use futures::StreamExt;
use ids::ChainId;
use serde_json::json;

async fn start() -> (testkit::Chain, Node) {
    let chain = testkit::chain().await;
    let endpoint = Endpoint::parse(&chain.url, "none", 0, 1).unwrap();
    let node = Node::new(ChainId::new(31337).unwrap(), vec![endpoint]);
    (chain, node)
}

#[tokio::test]
async fn a_transaction_is_found_with_its_block_its_receipt_and_its_logs() {
    let (chain, node) = start().await;
    let deployed = chain.deploy_factory().await;
    let head = node.block_number().await.unwrap();
    assert_eq!(head, deployed.block);
    let header = node.header_by_number(head).await.unwrap().unwrap();
    let parent = node.header_by_number(head - 1).await.unwrap().unwrap();
    assert_eq!((header.parent_hash, header.number), (parent.hash, head));
    assert!(header.timestamp >= parent.timestamp && header.base_fee_per_gas.is_some());
    assert_eq!(node.header_by_hash(header.hash).await.unwrap(), Some(header.clone()));
    assert_eq!(node.latest_header().await.unwrap(), header);
    assert_eq!(node.header_by_number(head + 1).await.unwrap(), None);
    assert_eq!(node.header_by_hash(B256::repeat_byte(1)).await.unwrap(), None);

    let receipts = node.block_receipts(header.hash).await.unwrap().unwrap();
    let [receipt] = receipts.as_slice() else { panic!("one transaction a block") };
    assert_eq!(receipt.contract_address, Some(deployed.factory));
    assert!(receipt.is_success);
    let hash = receipt.transaction_hash;
    assert_eq!(node.receipt(hash).await.unwrap().as_ref(), Some(receipt));
    assert_eq!(node.receipts(&[hash, B256::ZERO]).await.unwrap(), receipts);
    let transaction = node.transaction(hash).await.unwrap().unwrap();
    assert_eq!(
        (transaction.from, transaction.to, transaction.block_hash),
        (receipt.from, None, Some(header.hash))
    );
    assert_eq!(node.transaction(B256::ZERO).await.unwrap(), None);
    assert!(!node.code(deployed.factory, BlockId::latest()).await.unwrap().is_empty());
    assert!(node.code(receipt.from, BlockId::latest()).await.unwrap().is_empty());
    assert_eq!(node.nonce(receipt.from, BlockId::latest()).await.unwrap(), transaction.nonce + 1);
    assert!(node.balance(receipt.from, BlockId::latest()).await.unwrap() > U256::ZERO);
    // The implementations lock themselves when they are made, and say so in a log.
    let by_range = node.logs(&Filter::new().from_block(0).to_block(head)).await.unwrap();
    assert!(!by_range.is_empty());
    let block = by_range[0].block_hash.unwrap();
    let by_hash = node.logs(&Filter::new().at_block_hash(block)).await.unwrap();
    assert!(by_hash.iter().all(|log| log.block_hash == Some(block)) && !by_hash.is_empty());
}

#[tokio::test]
async fn a_waiting_transaction_is_known_and_has_no_receipt() {
    let (chain, node) = start().await;
    chain.rpc("evm_setAutomine", json!([false])).await;
    let accounts = chain.rpc("eth_accounts", json!([])).await;
    let sent = chain
        .rpc("eth_sendTransaction", json!([{ "from": accounts[0], "to": accounts[1], "value": "0x5" }]))
        .await;
    let hash: B256 = sent.as_str().unwrap().parse().unwrap();
    let transaction = node.transaction(hash).await.unwrap().unwrap();
    assert_eq!((transaction.block_hash, transaction.value), (None, U256::from(5)));
    assert_eq!(node.receipt(hash).await.unwrap(), None);
}

#[tokio::test]
async fn gas_is_estimated_and_a_revert_keeps_its_data() {
    let (chain, node) = start().await;
    let deployed = chain.deploy_factory().await;
    let plain = TransactionRequest::default().from(Address::repeat_byte(1)).to(Address::repeat_byte(2));
    assert_eq!(node.estimate_gas(&plain).await.unwrap(), 21_000);
    // `setStages` of a locked implementation: AccessControlUnauthorizedAccount.
    let data = "0x8456cb59".parse::<alloy::primitives::Bytes>().unwrap();
    let pause =
        TransactionRequest::default().from(Address::repeat_byte(1)).to(deployed.erc721).input(data.into());
    let reverted = node.estimate_gas(&pause).await.unwrap_err();
    assert!(
        reverted.is_revert() && reverted.revert_data().is_some_and(|data| data.len() == 68),
        "{reverted:?}"
    );
    let called = node.call(&pause, BlockId::latest(), None).await.unwrap_err();
    assert_eq!(called.revert_data(), reverted.revert_data());
}

#[tokio::test]
async fn each_new_head_is_told_once() {
    let (chain, node) = start().await;
    let mut heads = Box::pin(node.heads(Duration::from_millis(20)));
    let first = heads.next().await.unwrap().unwrap();
    chain.mine(1).await;
    let second = heads.next().await.unwrap().unwrap();
    assert_eq!((second.number, second.parent_hash), (first.number + 1, first.hash));
}

#[tokio::test]
async fn calls_are_simulated_in_order_each_on_the_state_that_the_ones_before_it_leave() {
    let (chain, node) = start().await;
    let deployed = chain.deploy_factory().await;
    let accounts = chain.rpc("eth_accounts", json!([])).await;
    let rich: Address = accounts[0].as_str().unwrap().parse().unwrap();
    let poor = Address::repeat_byte(9);
    let pay = |from: Address, to: Address, value: u64| {
        TransactionRequest::default().from(from).to(to).value(U256::from(value))
    };
    let pause = TransactionRequest::default()
        .from(poor)
        .to(deployed.erc721)
        .input("0x8456cb59".parse::<alloy::primitives::Bytes>().unwrap().into());
    // The poor one can only pay because of what came before.
    let calls = [pay(rich, poor, 50), pay(poor, rich, 40), pause];
    let told = node.simulate(&calls, BlockId::latest()).await.unwrap();
    let [first, second, third] = told.as_slice() else { panic!("{told:?}") };
    assert!(first.is_success && second.is_success && first.gas_used == 21_000, "{told:?}");
    assert!(!third.is_success && third.message.is_some(), "{third:?}");
    let reverted = third.revert_data.as_ref().unwrap();
    let estimated = node.estimate_gas(&calls[2]).await.unwrap_err();
    assert_eq!(Some(reverted), estimated.revert_data());
    assert_eq!(node.balance(poor, BlockId::latest()).await.unwrap(), U256::ZERO, "nothing was changed");
    let unknown: Result<serde_json::Value, _> = node.request("eth_noSuchMethod", json!([])).await;
    assert!(unknown.unwrap_err().is_unsupported());
}
