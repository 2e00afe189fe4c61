//! Who may write, what a write leaves behind, and what is refused.

use futures::future::join_all;
use proto::{chainregistry::v1 as pb, common::v1::Caller};
use rpc::{Code, Problem};

use crate::rig::{CHAIN, FACTORY, Rig, SECRET, admin, chain, contract, endpoint, policy};

#[tokio::test]
async fn a_write_makes_one_version_and_one_audit_row_and_the_same_again_makes_none() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    let first = operator.upsert_chain(chain(3)).await.unwrap().into_inner().chain.unwrap();
    let second = operator.upsert_chain(chain(3)).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((first.version, second.version), (1, 1));
    let version = operator.upsert_contract(contract("")).await.unwrap().into_inner().version;
    let again = operator.upsert_contract(contract("")).await.unwrap().into_inner().version;
    assert_eq!((version, again), (2, 2));
    assert_eq!(rig.count("select count(*) from audit where actor = 'operator'").await, 2);
    assert_eq!(rig.count("select count(*) from abi_blobs").await, 1);
    let audit: Vec<String> =
        sqlx::query_scalar("select after_json::text from audit").fetch_all(&rig.db.pool).await.unwrap();
    assert!(audit.iter().all(|text| !text.contains(SECRET)), "an audit row holds no key");

    // A chain's write leaves its contracts alone, and a gas policy that is not given stays.
    let mut request = chain(5);
    request.chain.as_mut().unwrap().gas_policy = None;
    let written = operator.upsert_chain(request).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((written.contracts.len(), written.gas_policy.unwrap().max_fee_gwei.as_str()), (1, "3"));
    rig.end().await;
}

#[tokio::test]
async fn a_proxy_that_points_elsewhere_leaves_its_history() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(3)).await.unwrap();
    for n in [1, 2, 2] {
        operator.upsert_contract(contract(&format!("0x{n:040x}"))).await.unwrap();
    }
    assert_eq!(rig.count("select count(*) from contract_impl_history").await, 2);
    assert_eq!(
        rig.count("select count(*) from contract_impl_history where previous_impl_address is null").await,
        1
    );
    rig.end().await;
}

#[tokio::test]
async fn a_stale_writer_is_told_and_changes_nothing() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(3)).await.unwrap();
    let at = |version, stamp| {
        let mut request = chain(stamp);
        request.chain.as_mut().unwrap().version = version;
        request
    };
    operator.upsert_chain(at(1, 4)).await.unwrap();
    let problem = Problem::from(&operator.upsert_chain(at(1, 5)).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "STALE_VERSION"));
    assert_eq!(rig.count("select confirmations::bigint from chains").await, 4);

    // Of eight that have read the same version one writes.
    let clients: Vec<_> = (0..8).map(|_| rig.client("operator")).collect();
    let writes =
        (10..).zip(clients).map(|(stamp, mut client)| async move { client.upsert_chain(at(2, stamp)).await });
    let written = join_all(writes).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((written, rig.count("select version from registry_version").await), (1, 3));
    rig.end().await;
}

#[tokio::test]
async fn every_write_may_name_the_version_that_was_read_and_a_stale_one_changes_nothing() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(3)).await.unwrap();
    operator.upsert_contract(contract("")).await.unwrap();
    let set = |expected_version| pb::SetEndpointsRequest {
        chain_id: CHAIN.into(),
        endpoints: vec![endpoint("http://127.0.0.1:9", 0, true)],
        expected_version,
    };
    let gas = |expected_version| pb::SetGasPolicyRequest {
        chain_id: CHAIN.into(),
        gas_policy: Some(policy("9", "", "3")),
        expected_version,
    };
    let enable = |expected_version| pb::EnableChainRequest {
        chain_id: "eip155:1".into(),
        endpoints: vec![endpoint("http://127.0.0.1:9", 0, true)],
        expected_version,
    };
    let put = |expected_version| pb::UpsertContractRequest {
        expected_version,
        ..contract("0x00000000000000000000000000000000000000aa")
    };
    let remove = |expected_version| pb::RemoveContractRequest {
        chain_id: CHAIN.into(),
        address: FACTORY.into(),
        expected_version,
    };
    let stale = [
        operator.set_endpoints(set(1)).await.unwrap_err(),
        operator.set_gas_policy(gas(1)).await.unwrap_err(),
        operator.enable_chain(enable(3)).await.unwrap_err(),
        operator.upsert_contract(put(1)).await.unwrap_err(),
        operator.remove_contract(remove(1)).await.unwrap_err(),
    ];
    for status in stale {
        let problem = Problem::from(&status);
        assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "STALE_VERSION"));
    }
    assert_eq!(rig.count("select version from registry_version").await, 2);

    assert_eq!(operator.set_endpoints(set(2)).await.unwrap().into_inner().version, 3);
    let set = operator.set_gas_policy(gas(3)).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((set.version, set.confirmations), (4, 3), "nothing but the policy");
    assert_eq!(set.gas_policy.unwrap().max_fee_gwei, "9");
    assert_eq!(operator.enable_chain(enable(4)).await.unwrap().into_inner().chain.unwrap().version, 5);
    assert_eq!(operator.upsert_contract(put(5)).await.unwrap().into_inner().version, 6);
    assert_eq!(operator.remove_contract(remove(6)).await.unwrap().into_inner().version, 7);
    let problem = Problem::from(&operator.remove_contract(remove(0)).await.unwrap_err());
    assert_eq!(problem.code, Code::NotFound);
    assert_eq!(operator.bump_version(pb::BumpVersionRequest {}).await.unwrap().into_inner().version, 8);
    assert_eq!(rig.count("select count(*) from audit").await, 8);
    rig.end().await;
}

#[tokio::test]
async fn every_column_of_a_chain_is_served_as_it_was_written() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    let mut request = chain(3);
    let chain = request.chain.as_mut().unwrap();
    (chain.block_time_millis, chain.finality_blocks) = (250, 900);
    chain.features_json = r#"{"simulate":true,"blockReceipts":{"from":7}}"#.into();
    chain.explorer_url = "https://explorer.example".into();
    operator.upsert_chain(request.clone()).await.unwrap();
    let get = || pb::GetChainRequest { chain_id: CHAIN.into() };
    let read = rig.client("operator").get_chain(get()).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((read.block_time_millis, read.finality_blocks), (250, 900));
    assert_eq!(read.explorer_url, "https://explorer.example");
    let features: serde_json::Value = serde_json::from_str(&read.features_json).unwrap();
    assert_eq!(features["blockReceipts"]["from"], 7);

    // Whoever does not say how long a block takes leaves that as it is.
    let chain = request.chain.as_mut().unwrap();
    (chain.block_time_millis, chain.finality_blocks) = (0, 0);
    let again = operator.upsert_chain(request.clone()).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((again.version, again.block_time_millis, again.finality_blocks), (1, 250, 900));
    request.chain.as_mut().unwrap().features_json = "[]".into();
    let problem = Problem::from(&operator.upsert_chain(request).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "chain.features_json");
    rig.end().await;
}

#[tokio::test]
async fn operators_and_admins_write_and_nobody_else() {
    let rig = Rig::start().await;
    for name in ["indexer", "orchestrator"] {
        let request = rpc::caller::acting(chain(3), &admin());
        let status = rig.client(name).upsert_chain(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{name}");
    }
    let mut gateway = rig.client("gateway");
    let somebody = Caller { roles: vec!["creator".into()], ..admin() };
    let status = gateway.upsert_chain(rpc::caller::acting(chain(3), &somebody)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let list = || pb::ListAuditRequest { page_size: 1, page_token: String::new() };
    let status = gateway.list_audit(rpc::caller::acting(list(), &somebody)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    assert!(gateway.upsert_chain(chain(3)).await.is_err(), "a call for nobody");
    assert_eq!(rig.count("select count(*) from chains").await, 0);

    gateway.upsert_chain(rpc::caller::acting(chain(3), &admin())).await.unwrap();
    assert_eq!(rig.count("select count(*) from audit where actor = 'user:somebody'").await, 1);
    rig.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    let mut request = chain(3);
    request.chain.as_mut().unwrap().native_symbol = String::new();
    request.endpoints[0].url = format!("ftp://x/{SECRET}");
    let problem = Problem::from(&operator.upsert_chain(request).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::BadInput, "VALIDATION_FAILED"));
    let paths: Vec<&str> = problem.violations.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths, ["chain.native_symbol", "endpoints[0].url"]);
    assert!(!format!("{problem:?}").contains(SECRET));

    let problem = Problem::from(&operator.upsert_contract(contract("")).await.unwrap_err());
    assert_eq!((problem.code, problem.message.contains(CHAIN)), (Code::NotFound, true));
    let mut request = contract("");
    request.abi_json = "{}".into();
    let problem = Problem::from(&operator.upsert_contract(request).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "abi_json");
    assert_eq!(rig.count("select version from registry_version").await, 0);
    rig.end().await;
}

#[tokio::test]
async fn a_chain_holds_so_many_contracts_and_those_that_it_has_may_still_be_written() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(3)).await.unwrap();
    operator.upsert_contract(contract("")).await.unwrap();
    sqlx::query(
        "insert into chain_contracts (chain_id, name, address, start_block, standard)
         select id, 'one of many', '0x' || lpad(to_hex(n), 40, '0'), 0, 'ERC721' from chains, generate_series(1, 999) n",
    )
    .execute(&rig.db.pool)
    .await
    .unwrap();
    let mut another = contract("");
    another.contract.as_mut().unwrap().address = format!("0x{}", "e".repeat(40));
    let problem = Problem::from(&operator.upsert_contract(another.clone()).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "TOO_MANY_CONTRACTS"));
    operator.upsert_contract(contract("0x00000000000000000000000000000000000000aa")).await.unwrap();
    let remove =
        pb::RemoveContractRequest { chain_id: CHAIN.into(), address: FACTORY.into(), expected_version: 0 };
    operator.remove_contract(remove).await.unwrap();
    operator.upsert_contract(another).await.unwrap();
    assert_eq!(rig.count("select count(*) from chain_contracts").await, 1000);
    rig.end().await;
}

#[tokio::test]
async fn an_endpoint_that_nobody_could_dial_is_refused() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    for url in ["ws-anything", "wss://", "https://a\u{0}.example", "https://a.example/\tb"] {
        let mut request = chain(3);
        request.endpoints[0].url = url.into();
        let problem = Problem::from(&operator.upsert_chain(request).await.unwrap_err());
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "endpoints[0].url"));
    }
    rig.end().await;
}
