//! Whose fault an error is: who is left for it, who is asked next, and what comes back when nobody has better.

use std::time::Duration;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
    rpc::types::TransactionRequest,
};
use evm::{Node, NodeError};

use crate::failover::{Mood, Scripted, node};

/// The first endpoint in this mood, a good one after it.
async fn world(mood: Mood) -> (Scripted, Scripted, Node) {
    let (first, second) = (Scripted::start(mood, 0).await, Scripted::start(Mood::Well(8), 1).await);
    let node = node(&[&first, &second]);
    (first, second, node)
}

async fn balance(node: &Node) -> Result<U256, NodeError> {
    node.balance(Address::ZERO, BlockId::latest()).await
}

async fn call(node: &Node) -> Result<u64, NodeError> {
    node.estimate_gas(&TransactionRequest::default()).await
}

/// Whether questions go to the second one now.
async fn passes_by(first: &Scripted, second: &Scripted, node: &Node) -> bool {
    first.set(Mood::Well(7));
    let asked = second.asked();
    balance(node).await.unwrap();
    second.asked() > asked
}

#[tokio::test]
async fn a_door_that_stays_shut_is_the_endpoints_own_whatever_body_it_has() {
    for status in [401, 402, 403, 500, 503] {
        let (first, second, node) = world(Mood::Says("", status, -32000, "no such key")).await;
        assert_eq!(balance(&node).await, Ok(U256::from(8)), "{status}");
        assert!(passes_by(&first, &second, &node).await, "{status}");
        let alone = self::node(&[&Scripted::start(Mood::Says("", status, -32000, "s3cret"), 0).await]);
        assert!(matches!(balance(&alone).await, Err(NodeError::Transport(_))), "{status}");
    }
}

#[tokio::test]
async fn a_revert_behind_a_bad_status_is_the_calls_own() {
    let (first, second, node) = world(Mood::Says("eth_estimateGas", 500, 3, "execution reverted")).await;
    assert!(call(&node).await.unwrap_err().is_revert());
    assert!(second.asked() == 0 && !passes_by(&first, &second, &node).await);
}

#[tokio::test]
async fn too_many_requests_is_a_limit_whatever_body_it_has() {
    let alone = node(&[&Scripted::start(Mood::Says("", 429, -32000, "upgrade your plan"), 0).await]);
    assert!(balance(&alone).await.unwrap_err().is_limit());
}

#[tokio::test]
async fn an_endpoint_that_does_not_say_which_chain_it_serves_is_left() {
    for code in [-32600, -32601, 3] {
        let (first, second, node) = world(Mood::Says("eth_chainId", 200, code, "not for you")).await;
        assert_eq!(balance(&node).await, Ok(U256::from(8)), "{code}");
        assert!(passes_by(&first, &second, &node).await, "{code}");
    }
}

#[tokio::test]
async fn an_endpoint_that_drowns_a_small_question_is_left() {
    let (first, second, node) = world(Mood::Drowns).await;
    assert_eq!(balance(&node).await, Ok(U256::from(8)));
    assert!(passes_by(&first, &second, &node).await);
}

#[tokio::test]
async fn a_state_that_one_does_not_have_is_asked_of_another_and_when_nobody_has_it_that_is_said() {
    for message in
        ["header for hash not found", "hash 0xabc is not currently canonical", "state is not available"]
    {
        let (first, second, node) = world(Mood::Says("eth_getBalance", 200, -32000, message)).await;
        assert_eq!(balance(&node).await, Ok(U256::from(8)), "{message}");
        second.set(Mood::Says("eth_getBalance", 200, -32000, "missing trie node 0xabc (path )"));
        assert!(balance(&node).await.unwrap_err().is_state_missing(), "{message}");
        // Who does not answer might have it.
        second.set(Mood::Broken);
        assert!(!balance(&node).await.unwrap_err().is_state_missing(), "{message}");
        assert!(!passes_by(&first, &second, &node).await, "nobody is to blame: {message}");
    }
}

#[tokio::test]
async fn what_one_knows_nothing_of_survives_another_ones_error() {
    let (_first, second, node) = world(Mood::Null).await;
    for code in [-32602, -32601, -32603] {
        second.set(Mood::Says("eth_getTransactionReceipt", 200, code, "no"));
        assert_eq!(node.receipt(B256::ZERO).await, Ok(None), "{code}");
    }
}

#[tokio::test]
async fn an_internal_error_or_a_halt_of_a_call_leaves_nobody() {
    for (code, message) in [(-32603, "internal error"), (-32000, "out of gas")] {
        let (first, second, node) = world(Mood::Says("eth_estimateGas", 200, code, message)).await;
        let _ = call(&node).await;
        assert!(!passes_by(&first, &second, &node).await, "{message}");
    }
    let (_first, _second, node) = world(Mood::Says("eth_estimateGas", 200, -32603, "internal error")).await;
    assert_eq!(call(&node).await, Ok(8), "another one may be able to");
}

#[tokio::test]
async fn a_call_that_takes_too_long_leaves_only_an_endpoint_that_is_silent_about_all() {
    let (first, second, node) = world(Mood::HangsOn("eth_estimateGas")).await;
    let before = first.asked();
    assert_eq!(call(&node).await, Ok(8));
    // The proof, the call, and the plain question after it.
    let asked = async || (first.asked() >= before + 3).then_some(());
    testkit::eventually(Duration::from_secs(5), "the plain question is asked", asked).await;
    assert!(!passes_by(&first, &second, &node).await, "it answers others");
    first.set(Mood::Hangs);
    assert_eq!(call(&node).await, Ok(8));
    testkit::eventually(Duration::from_secs(5), "it is left", async || {
        let asked = first.asked();
        call(&node).await.unwrap();
        (first.asked() == asked).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_doubt_leaves_whoever_answered_alone_and_nobody_where_several_did() {
    let (first, second, node) = world(Mood::Well(7)).await;
    assert_eq!(balance(&node).await, Ok(U256::from(7)));
    node.doubt("a test");
    assert!(passes_by(&first, &second, &node).await);
    // Both answered by now.
    node.doubt("a test");
    let asked = first.asked();
    assert_eq!(balance(&node).await, Ok(U256::from(8)));
    assert_eq!(first.asked(), asked, "the second one is as good as before");
}
