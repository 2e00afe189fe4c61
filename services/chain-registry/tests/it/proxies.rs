//! What stands behind an address, on a real chain.

use pb::ProxyKind;
use proto::chainregistry::v1 as pb;
use rpc::{Code, Problem};
use serde_json::json;
use testkit::Chain;

use crate::rig::{CHAIN, Client, FACTORY, Rig, contract, live_chain};

const IMPLEMENTATION: &str = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
const BEACON: &str = "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50";
const ADMIN: &str = "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103";

/// `0x` and twenty bytes that end in `n`.
fn at(n: u32) -> String {
    format!("0x{n:040x}")
}

/// A contract that only stops.
const STOPS: &str = "0x00";

async fn put_code(chain: &Chain, address: &str, code: &str) {
    chain.rpc("anvil_setCode", json!([address, code])).await;
}

/// Points a slot to an address, and mines: what is asked at a block must be in it.
async fn point(chain: &Chain, proxy: &str, slot: &str, target: &str) {
    let word = format!("0x{:0>64}", &target[2..]);
    chain.rpc("anvil_setStorageAt", json!([proxy, slot, word])).await;
    chain.mine(1).await;
}

/// A contract whose every call answers with this address.
fn beacon_code(target: &str) -> String {
    format!("0x73{}5f5260205ff3", &target[2..])
}

fn clone_code(target: &str) -> String {
    format!("0x363d3d373d3d3d363d73{}5af43d82803e903d91602b57fd5bf3", &target[2..])
}

/// The shorter form, and the one with PUSH0.
fn other_clone_codes(target: &str) -> [String; 2] {
    let target = &target[2..];
    [
        format!("0x3d3d3d3d363d3d37363d73{target}5af43d3d93803e602a57fd5bf3"),
        format!("0x5f5f365f5f37365f73{target}5af43d5f5f3e6029573d5ffd5b3d5ff3"),
    ]
}

async fn resolve(client: &mut Client, address: &str) -> pb::ResolveProxyResponse {
    let ask = pb::ResolveProxyRequest { chain_id: CHAIN.into(), address: address.into() };
    client.resolve_proxy(ask).await.unwrap().into_inner()
}

async fn rig(chain: &Chain) -> (Rig, Client) {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(live_chain(&chain.url)).await.unwrap();
    (rig, operator)
}

#[tokio::test]
async fn each_kind_of_proxy_is_seen_through() {
    let chain = testkit::chain().await;
    let (rig, mut operator) = rig(&chain).await;
    let (target, admin) = (at(0xa1), at(0xad));
    let (slotted, beaconed, cloned, broken) = (at(0xb1), at(0xb2), at(0xb3), at(0xb4));
    put_code(&chain, &target, STOPS).await;
    put_code(&chain, &slotted, STOPS).await;
    point(&chain, &slotted, IMPLEMENTATION, &target).await;
    point(&chain, &slotted, ADMIN, &admin).await;
    let beacon = at(0xbe);
    put_code(&chain, &beacon, &beacon_code(&target)).await;
    put_code(&chain, &beaconed, STOPS).await;
    point(&chain, &beaconed, BEACON, &beacon).await;
    put_code(&chain, &cloned, &clone_code(&target)).await;
    put_code(&chain, &broken, STOPS).await;
    // What is in the beacon's slot is no beacon.
    point(&chain, &broken, BEACON, &target).await;

    let found = resolve(&mut operator, &slotted).await;
    assert_eq!((found.kind(), &found.implementation, &found.admin), (ProxyKind::Eip1967, &target, &admin));
    let found = resolve(&mut operator, &beaconed).await;
    assert_eq!((found.kind(), &found.implementation, &found.beacon), (ProxyKind::Beacon, &target, &beacon));
    let found = resolve(&mut operator, &cloned).await;
    assert_eq!((found.kind(), &found.implementation), (ProxyKind::Eip1167, &target));
    let found = resolve(&mut operator, &broken).await;
    assert_eq!(
        (found.kind(), found.implementation.as_str(), &found.beacon),
        (ProxyKind::Beacon, "", &target)
    );
    for address in [&target, &at(0xffff)] {
        let found = resolve(&mut operator, address).await;
        assert_eq!((found.kind(), found.implementation.as_str()), (ProxyKind::None, ""), "{address}");
    }
    assert_eq!(rig.count("select version from registry_version").await, 1, "nothing of it is registered");
    rig.end().await;
}

#[tokio::test]
async fn every_form_of_a_clone_works_on_the_chain_and_is_seen_through() {
    let chain = testkit::chain().await;
    let (rig, mut operator) = rig(&chain).await;
    let target = at(0xa1);
    put_code(&chain, &target, &beacon_code(&at(0x42))).await;
    let [shorter, push0] = other_clone_codes(&target);
    let codes = [clone_code(&target), format!("{}{}", clone_code(&target), "07".repeat(64)), shorter, push0];
    for (n, code) in (0xb1..).zip(codes) {
        put_code(&chain, &at(n), &code).await;
        chain.mine(1).await;
        let said = chain.rpc("eth_call", json!([{ "to": at(n), "data": "0x01020304" }, "latest"])).await;
        assert_eq!(said, format!("0x{:0>64}", "42"), "the chain hands the call on: {code}");
        let found = resolve(&mut operator, &at(n)).await;
        assert_eq!((found.kind(), &found.implementation), (ProxyKind::Eip1167, &target), "{code}");
    }
    rig.end().await;
}

#[tokio::test]
async fn proxies_behind_proxies_end_and_a_circle_does_too() {
    let chain = testkit::chain().await;
    let (rig, mut operator) = rig(&chain).await;
    // Five clones in a row: the fifth is no longer followed.
    for n in 1..=5 {
        put_code(&chain, &at(n), &clone_code(&at(n + 1))).await;
    }
    put_code(&chain, &at(6), STOPS).await;
    chain.mine(1).await;
    assert_eq!(resolve(&mut operator, &at(2)).await.implementation, at(6));
    assert_eq!(resolve(&mut operator, &at(1)).await.implementation, at(5));

    put_code(&chain, &at(0x11), &clone_code(&at(0x12))).await;
    put_code(&chain, &at(0x12), &clone_code(&at(0x11))).await;
    put_code(&chain, &at(0x13), &clone_code(&at(0x13))).await;
    chain.mine(1).await;
    assert_eq!(resolve(&mut operator, &at(0x11)).await.implementation, at(0x12));
    assert_eq!(resolve(&mut operator, &at(0x13)).await.implementation, at(0x13));
    rig.end().await;
}

#[tokio::test]
async fn what_a_registered_proxy_points_to_is_written_down_once_with_its_history() {
    let chain = testkit::chain().await;
    let (rig, mut operator) = rig(&chain).await;
    put_code(&chain, FACTORY, STOPS).await;
    point(&chain, FACTORY, IMPLEMENTATION, &at(0xa1)).await;
    operator.upsert_contract(contract("")).await.unwrap();
    for n in [0xa1, 0xa1, 0xa2, 0xa2] {
        point(&chain, FACTORY, IMPLEMENTATION, &at(n)).await;
        assert_eq!(resolve(&mut operator, FACTORY).await.implementation, at(n));
    }
    let history = resolve(&mut operator, FACTORY).await.history;
    let history: Vec<_> = history.iter().map(|h| (h.address.clone(), h.previous.clone())).collect();
    assert_eq!(history, [(at(0xa2), at(0xa1)), (at(0xa1), String::new())]);
    assert!(rig.count("select min(block_number) from contract_impl_history").await > 0);
    let read = rig.client("operator").get_chain(pb::GetChainRequest { chain_id: CHAIN.into() }).await;
    let read = read.unwrap().into_inner().chain.unwrap();
    assert_eq!((read.version, read.contracts[0].impl_address.clone()), (4, at(0xa2)));
    assert_eq!(rig.count("select count(*) from audit where actor = 'observed'").await, 2);

    // Who registers it again without saying what it points to takes nothing away.
    operator.upsert_contract(contract("")).await.unwrap();
    assert_eq!(rig.count("select version from registry_version").await, 4);

    // Eight who see the same at once write it once.
    point(&chain, FACTORY, IMPLEMENTATION, &at(0xa3)).await;
    let clients: Vec<_> = (0..8).map(|_| rig.client("operator")).collect();
    let asked = clients.into_iter().map(|mut client| async move { resolve(&mut client, FACTORY).await });
    futures::future::join_all(asked).await;
    assert_eq!(rig.count("select count(*) from contract_impl_history").await, 3);
    assert_eq!(rig.count("select version from registry_version").await, 5);
    rig.end().await;
}

#[tokio::test]
async fn a_chain_that_cannot_be_asked_is_told_apart() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    let ask = |chain_id: &str| pb::ResolveProxyRequest { chain_id: chain_id.into(), address: FACTORY.into() };
    let problem = Problem::from(&operator.resolve_proxy(ask(CHAIN)).await.unwrap_err());
    assert_eq!(problem.code, Code::NotFound);
    operator.upsert_chain(live_chain("http://127.0.0.1:1")).await.unwrap();
    let problem = Problem::from(&operator.resolve_proxy(ask(CHAIN)).await.unwrap_err());
    assert_eq!(problem.code, Code::Unavailable);
    let mut disabled = live_chain("http://127.0.0.1:1");
    disabled.chain.as_mut().unwrap().enabled = false;
    operator.upsert_chain(disabled).await.unwrap();
    let problem = Problem::from(&operator.resolve_proxy(ask(CHAIN)).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CHAIN_DISABLED"));
    rig.end().await;
}
