//! Who may write, what a write leaves behind, and what is refused.

use futures::future::join_all;
use proto::common::v1::Caller;
use rpc::{Code, Problem};

use crate::rig::{CHAIN, Rig, SECRET, chain, contract};

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
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));
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
async fn nobody_but_an_operator_writes() {
    let rig = Rig::start().await;
    let admin = Caller { roles: vec!["admin".into()], ..Caller::default() };
    for name in ["gateway", "indexer", "orchestrator"] {
        let request = rpc::caller::acting(chain(3), &admin);
        let status = rig.client(name).upsert_chain(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{name}");
    }
    assert_eq!(rig.count("select count(*) from chains").await, 0);
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
