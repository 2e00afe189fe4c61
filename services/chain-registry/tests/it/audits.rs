//! Who changed what, and what an audit never holds.

use proto::chainregistry::v1 as pb;
use rpc::Problem;

use crate::rig::{CHAIN, FACTORY, Rig, SECRET, admin, chain, contract, endpoint, policy};

fn page(page_size: i32, page_token: &str) -> tonic::Request<pb::ListAuditRequest> {
    rpc::caller::acting(pb::ListAuditRequest { page_size, page_token: page_token.into() }, &admin())
}

#[tokio::test]
async fn each_write_is_one_row_and_no_row_holds_a_secret() {
    let rig = Rig::start().await;
    let (mut operator, mut gateway) = (rig.client("operator"), rig.client("gateway"));
    let secrets = || {
        let mut header = endpoint(format!("https://rpc.example/#x-api-key={SECRET}"), 0, true);
        header.auth_type = "header".into();
        vec![
            header,
            endpoint(format!("https://user:{SECRET}@rpc.example/"), 0, true),
            endpoint(format!("https://rpc.example/?key={SECRET}"), 0, true),
            endpoint(format!("wss://rpc.example/{SECRET}"), 0, true),
        ]
    };
    operator.upsert_chain(pb::UpsertChainRequest { endpoints: secrets(), ..chain(3) }).await.unwrap();
    let set = |endpoints| pb::SetEndpointsRequest { chain_id: CHAIN.into(), endpoints, expected_version: 0 };
    operator.set_endpoints(set(vec![])).await.unwrap();
    operator.set_endpoints(set(secrets())).await.unwrap();
    operator.set_endpoints(set(secrets())).await.unwrap();
    let gas = pb::SetGasPolicyRequest {
        chain_id: CHAIN.into(),
        gas_policy: Some(policy("1", "", "2")),
        expected_version: 0,
    };
    operator.set_gas_policy(gas).await.unwrap();
    let enable =
        pb::EnableChainRequest { chain_id: "eip155:1".into(), endpoints: secrets(), expected_version: 0 };
    operator.enable_chain(enable).await.unwrap();
    operator.upsert_contract(contract("")).await.unwrap();
    let remove =
        pb::RemoveContractRequest { chain_id: CHAIN.into(), address: FACTORY.into(), expected_version: 0 };
    operator.remove_contract(remove).await.unwrap();
    operator.bump_version(pb::BumpVersionRequest {}).await.unwrap();

    let listed = gateway.list_audit(page(100, "")).await.unwrap().into_inner();
    let actions: Vec<&str> = listed.entries.iter().map(|entry| entry.action.as_str()).collect();
    let expected = [
        "version.bumped",
        "contract.removed",
        "contract.upserted",
        "chain.enabled",
        "gas_policy.set",
        "endpoints.set",
        "endpoints.set",
        "chain.upserted",
    ];
    assert_eq!((actions.as_slice(), listed.next_page_token.as_str()), (expected.as_slice(), ""));
    for entry in &listed.entries {
        assert!(!format!("{entry:?}").contains(SECRET), "{}", entry.action);
    }
    assert!(listed.entries[7].after_json.contains("rpc.example"), "the host is told");
    let rows: Vec<String> = sqlx::query_scalar("select row_to_json(audit)::text from audit")
        .fetch_all(&rig.db.pool)
        .await
        .unwrap();
    assert!(rows.iter().all(|row| !row.contains(SECRET)));
    rig.end().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_while_new_rows_come() {
    let rig = Rig::start().await;
    let (mut operator, mut gateway) = (rig.client("operator"), rig.client("gateway"));
    for _ in 0..5 {
        operator.bump_version(pb::BumpVersionRequest {}).await.unwrap();
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let listed = gateway.list_audit(page(2, &token)).await.unwrap().into_inner();
        seen.extend(listed.entries.iter().map(|entry| entry.version));
        operator.bump_version(pb::BumpVersionRequest {}).await.unwrap();
        token = listed.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    for (size, token, path) in [(0, "", "page_size"), (101, "", "page_size"), (1, "x", "page_token")] {
        let problem = Problem::from(&gateway.list_audit(page(size, token)).await.unwrap_err());
        assert_eq!(problem.violations[0].path, path);
    }
    rig.end().await;
}

#[tokio::test]
async fn what_is_older_than_a_year_is_forgotten_in_the_background() {
    let db = testkit::database(&chain_registry::MIGRATOR).await;
    sqlx::query(
        "insert into audit (audit_id, version, actor, action, subject, after_json, created_at)
         select gen_random_uuid(), n, 'operator', 'version.bumped', 'registry', '{}',
                now() - case when n <= 1500 then interval '367 days' else interval '364 days' end
         from generate_series(1, 1502) n",
    )
    .execute(&db.pool)
    .await
    .unwrap();
    let rig = Rig::start_with(db, testkit::redis().await, None).await;
    testkit::eventually(std::time::Duration::from_secs(20), "the old rows go", async || {
        (rig.count("select count(*) from audit").await == 2).then_some(())
    })
    .await;
    assert_eq!(rig.count("select min(version) from audit").await, 1501);
    rig.end().await;
}
