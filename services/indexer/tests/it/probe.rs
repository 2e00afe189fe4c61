//! What contracts say that they are.

use abi::launchpad::PlainERC721;
use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolConstructor,
};
use proto::indexer::v1::{ProbeContractRequest, ProbeContractResponse};
use testkit::trial_contract;
use tonic::{Code, Status};

use crate::rig::{CHAIN, HOLDER, Rig, Running};

async fn probe(rig: &Rig, running: &Running, address: Address) -> Result<ProbeContractResponse, Status> {
    let request = ProbeContractRequest { chain_id: CHAIN.into(), address: format!("{address:#x}") };
    running.client(rig, "operator").probe_contract(request).await.map(tonic::Response::into_inner)
}

/// Answers these functions with a zero word, and reverts at any other one.
fn answers(selectors: &[u32]) -> Bytes {
    let mut runtime = alloy::primitives::hex!("60003560e01c").to_vec();
    let answer = u8::try_from(runtime.len() + selectors.len() * 10 + 5).unwrap();
    for selector in selectors {
        runtime.extend([0x80, 0x63]);
        runtime.extend(selector.to_be_bytes());
        runtime.extend([0x14, 0x60, answer, 0x57]);
    }
    runtime.extend(alloy::primitives::hex!("60006000fd5b600060005260206000f3"));
    let length = u8::try_from(runtime.len()).unwrap();
    [&[0x60, length, 0x60, 0x0c, 0x60, 0x00, 0x39, 0x60, length, 0x60, 0x00, 0xf3][..], &runtime]
        .concat()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_say_what_they_are_and_are_believed_as_far_as_they_can_be() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let (single, multi) = (rig.create(false, "Single").await, rig.create(true, "Multi").await);
    let found = probe(&rig, &running, single).await.unwrap();
    assert_eq!((found.standard.as_str(), found.has_code), ("ERC721", true));
    assert_eq!((found.name.as_str(), found.symbol.as_str()), ("Single", "SYM"));
    assert!(found.owner.starts_with("0x") && found.owner.len() == 42);
    for id in ["0x01ffc9a7", "0x80ac58cd", "0x5b5e139f", "0x2a55205a"] {
        assert!(found.interfaces.iter().any(|claimed| claimed == id), "{id} of {:?}", found.interfaces);
    }
    assert!(!found.interfaces.iter().any(|claimed| claimed == "0xd9b67a26"));
    assert_eq!(probe(&rig, &running, multi).await.unwrap().standard, "ERC1155");

    let arguments =
        PlainERC721::constructorCall { name_: "Plain".into(), symbol_: "PLN".into() }.abi_encode();
    let code = [abi::artifact("PlainERC721").unwrap().to_vec(), arguments].concat();
    let (plain, _) = rig.chain.deploy(code.into()).await;
    let found = probe(&rig, &running, plain).await.unwrap();
    assert_eq!((found.standard.as_str(), found.name.as_str(), found.owner.as_str()), ("ERC721", "Plain", ""));

    // Without ERC-165: by its views.
    for (selectors, standard) in [
        (vec![0xe985_e9c5, 0x70a0_8231], "ERC721"),
        (vec![0xe985_e9c5, 0x00fd_d58e], "ERC1155"),
        (vec![0x70a0_8231], ""),
        (vec![], ""),
    ] {
        let (old, _) = rig.chain.deploy(answers(&selectors)).await;
        let found = probe(&rig, &running, old).await.unwrap();
        assert_eq!((found.standard.as_str(), found.has_code), (standard, true), "{selectors:x?}");
        assert!(found.interfaces.is_empty());
    }
    let (weth, _) = rig.chain.deploy(abi::artifact("WrappedEther").unwrap()).await;
    let found = probe(&rig, &running, weth).await.unwrap();
    assert_eq!((found.standard.as_str(), found.symbol.as_str()), ("", "WETH"));
    assert_eq!(probe(&rig, &running, HOLDER).await.unwrap(), ProbeContractResponse::default());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_contracts_are_nothing_and_cost_nobody_anything() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    for name in [
        "HostileRevert",
        "HostileLoop",
        "HostileHuge",
        "HostileLarge",
        "HostileShort",
        "HostileTrue",
        "HostileEmpty",
    ] {
        let (hostile, _) = rig.chain.deploy(trial_contract(name)).await;
        let found = probe(&rig, &running, hostile).await.unwrap();
        assert_eq!((found.standard.as_str(), found.has_code), ("", true), "{name}");
        assert!(found.interfaces.is_empty(), "{name}: {:?}", found.interfaces);
        assert!(found.name.len() <= 1024);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_says_nothing_about_a_contract() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    let factory = rig.deployed.factory;
    rig.endpoint("http://127.0.0.1:1");
    let away = testkit::eventually(crate::rig::SOON, "the endpoint is the other one", async || {
        probe(&rig, &running, factory).await.err()
    })
    .await;
    assert_eq!((away.code(), rpc::Problem::from(&away).reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
    for (chain_id, address, code) in
        [("eip155:2", format!("{factory:#x}"), Code::NotFound), (CHAIN, "0x12".into(), Code::InvalidArgument)]
    {
        let request = ProbeContractRequest { chain_id: chain_id.into(), address };
        let refused = running.client(&rig, "operator").probe_contract(request).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    running.stop().await;
}
