//! The built-in table of chains.

use proto::chainregistry::v1 as pb;
use rpc::{Code, Problem};

use crate::rig::{Rig, endpoint};

fn enable(chain_id: &str, endpoints: Vec<pb::Endpoint>) -> pb::EnableChainRequest {
    pb::EnableChainRequest { chain_id: chain_id.into(), endpoints, expected_version: 0 }
}

#[tokio::test]
async fn a_chain_of_the_table_is_known_and_off_until_it_is_given_an_endpoint() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    let list = async |include_disabled| {
        let ask = pb::ListChainsRequest { include_disabled };
        rig.client("gateway").list_chains(ask).await.unwrap().into_inner().chains
    };
    assert!(list(false).await.is_empty());
    let names: Vec<String> = list(true).await.into_iter().map(|chain| chain.name).collect();
    assert_eq!(names, ["Ethereum", "OP Mainnet", "Polygon", "Base", "Arbitrum One", "Sepolia"]);
    assert!(list(true).await.iter().all(|chain| !chain.enabled));
    let snapshot = operator.get_snapshot(pb::GetSnapshotRequest {}).await.unwrap().into_inner();
    assert!(snapshot.chains.is_empty(), "nobody dials what is in no use");

    let socket = || endpoint("wss://rpc.example/k3y", 0, true);
    for endpoints in [vec![], vec![endpoint("https://rpc.example", 0, false)], vec![socket()]] {
        let problem =
            Problem::from(&operator.enable_chain(enable("eip155:8453", endpoints)).await.unwrap_err());
        assert_eq!(problem.violations[0].path, "endpoints");
    }
    let url = || vec![endpoint("https://rpc.example", 0, true)];
    let problem = Problem::from(&operator.enable_chain(enable("eip155:5", url())).await.unwrap_err());
    assert_eq!(problem.code, Code::NotFound);

    let base = operator.enable_chain(enable("eip155:8453", url())).await.unwrap().into_inner().chain.unwrap();
    assert_eq!(
        (base.enabled, base.version, base.block_time_millis, base.finality_blocks),
        (true, 1, 2000, 900)
    );
    let contracts: Vec<_> = base
        .contracts
        .iter()
        .map(|contract| (contract.name.as_str(), contract.standard.as_str(), contract.address.as_str()))
        .collect();
    let expected = [
        ("seaport", "exchange", "0x0000000000000068f116a894984e2db1123eb395"),
        ("wrapped_native", "ERC20", "0x4200000000000000000000000000000000000006"),
    ];
    assert_eq!(contracts, expected);
    assert_eq!((list(false).await, list(true).await.len()), (vec![base.clone()], 6));
    let again =
        operator.enable_chain(enable("eip155:8453", url())).await.unwrap().into_inner().chain.unwrap();
    assert_eq!(again, base, "the same again is no new version");
    let with_socket = vec![url().remove(0), socket()];
    let told = operator.enable_chain(enable("eip155:8453", with_socket.clone())).await.unwrap().into_inner();
    assert_eq!(told.chain.unwrap().version, 2);
    let snapshot = operator.get_snapshot(pb::GetSnapshotRequest {}).await.unwrap().into_inner();
    assert_eq!(snapshot.chains[0].endpoints, with_socket, "whoever follows heads is told of it");
    let of_header = pb::Endpoint { auth_type: "header".into(), ..socket() };
    let wrong = enable("eip155:8453", vec![url().remove(0), of_header]);
    let problem = Problem::from(&operator.enable_chain(wrong).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "endpoints[1].url", "its header is missing");
    rig.end().await;
}

#[tokio::test]
async fn what_an_operator_changed_of_a_chain_stays_when_it_is_enabled_again() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    let url = || vec![endpoint("https://rpc.example", 0, true)];
    let mut chain =
        operator.enable_chain(enable("eip155:10", url())).await.unwrap().into_inner().chain.unwrap();
    let removed = pb::RemoveContractRequest {
        chain_id: "eip155:10".into(),
        address: chain.contracts[0].address.clone(),
        expected_version: 0,
    };
    operator.remove_contract(removed).await.unwrap();
    (chain.enabled, chain.confirmations, chain.version) = (false, 77, 0);
    operator.upsert_chain(pb::UpsertChainRequest { chain: Some(chain), endpoints: vec![] }).await.unwrap();

    let chain = operator.enable_chain(enable("eip155:10", url())).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((chain.enabled, chain.confirmations, chain.contracts.len()), (true, 77, 1));
    let snapshot = operator.get_snapshot(pb::GetSnapshotRequest {}).await.unwrap().into_inner();
    assert_eq!(snapshot.chains[0].endpoints, url());
    rig.end().await;
}
