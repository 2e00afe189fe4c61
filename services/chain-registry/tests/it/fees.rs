//! What a transaction should offer, against a real chain's base fee.

use std::time::Duration;

use proto::chainregistry::v1 as pb;
use rpc::{Code, Problem};
use serde_json::json;
use testkit::{Chain, Liar, Lie, eventually};

use crate::rig::{CHAIN, Client, Rig, endpoint, live_chain, policy};

const SOON: Duration = Duration::from_secs(10);

fn ask() -> pb::SuggestFeesRequest {
    pb::SuggestFeesRequest { chain_id: CHAIN.into() }
}

async fn suggest(client: &mut Client) -> pb::SuggestFeesResponse {
    client.suggest_fees(ask()).await.unwrap().into_inner()
}

async fn set_policy(client: &mut Client, policy: pb::GasPolicy) {
    let (chain_id, gas_policy) = (CHAIN.into(), Some(policy));
    let request = pb::SetGasPolicyRequest { chain_id, gas_policy, expected_version: 0 };
    client.set_gas_policy(request).await.unwrap();
}

/// What the chain itself says of its next block.
async fn base_fee(chain: &Chain) -> u128 {
    let history = chain.rpc("eth_feeHistory", json!(["0x1", "latest", []])).await;
    let fee = history["baseFeePerGas"].as_array().unwrap().last().unwrap().as_str().unwrap();
    u128::from_str_radix(fee.trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test]
async fn the_suggestion_is_the_next_base_fee_within_the_policy() {
    let chain = testkit::chain().await;
    chain.rpc("anvil_setNextBlockBaseFeePerGas", json!(["0x2b8e6f1d7"])).await;
    chain.mine(1).await;
    let expected = base_fee(&chain).await;
    let rig = Rig::start().await;
    let (mut operator, mut orchestrator) = (rig.client("operator"), rig.client("orchestrator"));
    let mut request = live_chain(&chain.url);
    request.chain.as_mut().unwrap().gas_policy = Some(policy("", "1.5", "1.125"));
    // As long as anything is kept.
    request.chain.as_mut().unwrap().block_time_millis = 3_600_000;
    operator.upsert_chain(request).await.unwrap();

    let suggested = suggest(&mut orchestrator).await;
    let raised = (expected * 1125).div_ceil(1000);
    assert_eq!(suggested.base_fee, expected.to_string());
    assert_eq!(suggested.max_priority_fee_per_gas, "1500000000");
    assert_eq!(suggested.max_fee_per_gas, (raised + 1_500_000_000).to_string());
    assert!(!suggested.capped);

    // The policy holds at once, for what is kept too.
    set_policy(&mut operator, policy("0.000000007", "", "2")).await;
    let capped = suggest(&mut orchestrator).await;
    assert_eq!((capped.max_fee_per_gas.as_str(), capped.capped), ("7", true));
    assert_eq!(capped.max_priority_fee_per_gas, "7", "the tip stays within the whole");
    assert_eq!(capped.observe_time, suggested.observe_time, "the chain was asked once");

    // What was seen is told beside the policy, and is no version.
    let version = rig.count("select version from registry_version").await;
    let seen = eventually(SOON, "the base fee is written down and told", async || {
        let get = pb::GetChainRequest { chain_id: CHAIN.into() };
        let read = operator.get_chain(get).await.unwrap().into_inner().chain.unwrap();
        let seen = read.gas_policy.unwrap().last_observed_base_fee_gwei;
        (!seen.is_empty()).then_some((seen, read.version))
    })
    .await;
    let gwei = format!("{}.{:09}", expected / 1_000_000_000, expected % 1_000_000_000);
    assert_eq!(seen, (gwei.trim_end_matches('0').to_owned(), version.unsigned_abs()));
    set_policy(&mut operator, policy("", "", "3")).await;
    let kept = "select count(*) from chain_gas_policy where last_observed_base_fee_gwei is not null";
    assert_eq!(rig.count(kept).await, 1, "a new policy leaves what was seen alone");
    rig.end().await;
}

#[tokio::test]
async fn a_new_block_is_asked_for_when_it_is_time() {
    let chain = testkit::chain().await;
    let rig = Rig::start().await;
    let mut request = live_chain(&chain.url);
    request.chain.as_mut().unwrap().block_time_millis = 1;
    rig.client("operator").upsert_chain(request).await.unwrap();
    let mut orchestrator = rig.client("orchestrator");
    let before = suggest(&mut orchestrator).await;
    chain.rpc("anvil_setNextBlockBaseFeePerGas", json!(["0x1dcd65000"])).await;
    chain.mine(1).await;
    let expected = base_fee(&chain).await.to_string();
    assert_ne!(before.base_fee, expected);
    eventually(SOON, "the new base fee", async || {
        (suggest(&mut orchestrator).await.base_fee == expected).then_some(())
    })
    .await;
    rig.end().await;
}

#[tokio::test]
async fn a_chain_that_does_not_answer_is_unavailable_and_comes_back() {
    let chain = testkit::chain().await;
    let rig = Rig::start().await;
    let (mut operator, mut orchestrator) = (rig.client("operator"), rig.client("orchestrator"));
    operator.upsert_chain(live_chain("http://127.0.0.1:1")).await.unwrap();
    let clients: Vec<_> = (0..8).map(|_| orchestrator.clone()).collect();
    let asked = clients.into_iter().map(|mut client| async move { client.suggest_fees(ask()).await });
    for answer in futures::future::join_all(asked).await {
        let problem = Problem::from(&answer.unwrap_err());
        assert_eq!(problem.code, Code::Unavailable);
        assert!(problem.retry_after.is_some());
    }
    operator.upsert_chain(live_chain(&chain.url)).await.unwrap();
    eventually(SOON, "fees from the new endpoint", async || orchestrator.suggest_fees(ask()).await.ok())
        .await;
    rig.end().await;
}

#[tokio::test]
async fn an_endpoint_that_says_no_fees_is_no_price_of_nothing_and_the_next_one_is_asked() {
    let chain = testkit::chain().await;
    let liar = Liar::before(&chain.url).await;
    liar.set(Lie::NoFees);
    let rig = Rig::start().await;
    let (mut operator, mut orchestrator) = (rig.client("operator"), rig.client("orchestrator"));
    let mut request = live_chain(&liar.url);
    operator.upsert_chain(request.clone()).await.unwrap();
    let problem = Problem::from(&orchestrator.suggest_fees(ask()).await.unwrap_err());
    assert_eq!(problem.code, Code::Unavailable);

    let mut second = endpoint(&chain.url, 0, true);
    second.priority = 1;
    request.endpoints.push(second);
    operator.upsert_chain(request).await.unwrap();
    let suggested = eventually(SOON, "fees from the other endpoint", async || {
        orchestrator.suggest_fees(ask()).await.ok()
    })
    .await
    .into_inner();
    assert_eq!(suggested.base_fee, base_fee(&chain).await.to_string());
    rig.end().await;
}

#[tokio::test]
async fn an_endpoint_that_stands_still_is_left_for_one_that_goes_on() {
    let (frozen, chain) = (testkit::chain().await, testkit::chain().await);
    chain.rpc("anvil_setNextBlockBaseFeePerGas", json!(["0x1dcd65000"])).await;
    chain.mine(60).await;
    let expected = base_fee(&chain).await.to_string();
    assert_ne!(base_fee(&frozen).await.to_string(), expected);
    let rig = Rig::start().await;
    let (mut operator, mut orchestrator) = (rig.client("operator"), rig.client("orchestrator"));
    let mut request = live_chain(&frozen.url);
    let mut second = endpoint(&chain.url, 0, true);
    second.priority = 1;
    request.endpoints.push(second);
    request.chain.as_mut().unwrap().block_time_millis = 1000;
    operator.upsert_chain(request).await.unwrap();
    eventually(SOON * 3, "fees of the chain as it is now", async || {
        let suggested = orchestrator.suggest_fees(ask()).await.ok()?;
        (suggested.into_inner().base_fee == expected).then_some(())
    })
    .await;
    rig.end().await;
}
