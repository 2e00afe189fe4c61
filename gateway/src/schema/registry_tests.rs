//! The registry of chains for admins: what it is asked, and what becomes of its answers.

use std::collections::BTreeMap;

use prost::Message;
use proto::chainregistry::v1 as registry;
use rpc::{Code, Refusal};
use serde_json::json;
use uuid::Uuid;

use super::played_tests::{CHAIN, CONTRACT, Fleet, admin, chains};

#[tokio::test]
async fn a_write_that_another_overtook_is_a_conflict_of_its_own_code() {
    let stale = || Err(Refusal::new(Code::Conflict, "STALE_VERSION", "no").into());
    let fleet = Fleet::start(BTreeMap::from([
        ("SetEndpoints", stale()),
        ("UpsertChain", stale()),
        ("RemoveContract", Err(Refusal::new(Code::NotFound, "NOT_FOUND", "no").into())),
    ]))
    .await;
    let endpoints = "endpoints: [{ url: \"http://127.0.0.1:1\" }]";
    let me = admin();
    for (operation, kind, expected) in [
        (
            format!("setChainEndpoints(input: {{ chainId: \"{CHAIN}\", {endpoints}, expectedVersion: \"3\" }})"),
            "ConflictProblem",
            "STALE_VERSION",
        ),
        (
            format!("setChainEndpoints(input: {{ chainId: \"{CHAIN}\", {endpoints}, expectedVersion: \"0\" }})"),
            "ValidationProblem",
            "VALIDATION_FAILED",
        ),
        (
            format!(
                "upsertChain(input: {{ chainId: \"{CHAIN}\", name: \"n\", nativeSymbol: \"ETH\", enabled: true,
                    confirmations: 1, reorgDepth: 2, features: {{ blobs: true }}, {endpoints}, expectedVersion: \"3\" }})"
            ),
            "ConflictProblem",
            "STALE_VERSION",
        ),
        (
            format!("removeChainContract(input: {{ chainId: \"{CHAIN}\", address: \"{CONTRACT}\" }})"),
            "NotFoundProblem",
            "NOT_FOUND",
        ),
    ] {
        let field = operation.split('(').next().unwrap().to_owned();
        let query = format!("mutation {{ {operation} {{ __typename ... on Problem {{ code }} }} }}");
        let seen = fleet.data(&query, Some(&me)).await;
        assert_eq!(seen[&field], json!({ "__typename": kind, "code": expected }), "{operation}");
    }
    let asked: registry::UpsertChainRequest = fleet.asked("UpsertChain");
    let chain = asked.chain.unwrap();
    assert_eq!(
        (chain.version, chain.chain_numeric, chain.features_json.as_str()),
        (3, 31337, "{\"blobs\":true}")
    );
    assert_eq!((asked.endpoints[0].weight, asked.endpoints[0].auth_type.as_str()), (1, "none"));
}

#[tokio::test]
async fn a_change_of_the_registry_shows_the_chain_that_it_changed() {
    let set = registry::SetEndpointsResponse { version: 8 };
    let bumped = registry::BumpVersionResponse { version: 9 };
    let entry = |version| registry::AuditEntry {
        audit_id: Uuid::now_v7().to_string(),
        version,
        after_json: "{\"name\":\"n\"}".to_owned(),
        ..Default::default()
    };
    let audit =
        registry::ListAuditResponse { entries: vec![entry(8), entry(7)], next_page_token: "7".to_owned() };
    let fleet = Fleet::start(BTreeMap::from([
        ("SetEndpoints", Ok(set.encode_to_vec())),
        ("BumpVersion", Ok(bumped.encode_to_vec())),
        ("ListAudit", Ok(audit.encode_to_vec())),
        ("ListChains", Ok(chains().encode_to_vec())),
    ]))
    .await;
    let me = admin();
    let change = "... on RegistryChange { version chain { chainId } contract { name } }";
    let set = format!(
        "mutation {{ setChainEndpoints(input: {{ chainId: \"{CHAIN}\", endpoints: [] }}) {{ {change} }}
            bumpChainVersion {{ {change} }} }}"
    );
    let seen = fleet.data(&set, Some(&me)).await;
    let expected = json!({
        "setChainEndpoints": { "version": "8", "chain": { "chainId": CHAIN }, "contract": null },
        "bumpChainVersion": { "version": "9", "chain": null, "contract": null },
    });
    assert_eq!(seen, expected);
    let query = "{ registryAudit(first: 2) { nodes { version before after } edges { cursor } pageInfo { hasNextPage } } }";
    let seen = fleet.data(query, Some(&me)).await;
    let nodes = json!([{ "version": "8", "before": null, "after": { "name": "n" } },
        { "version": "7", "before": null, "after": { "name": "n" } }]);
    assert_eq!(seen["registryAudit"]["nodes"], nodes);
    let cursor = seen["registryAudit"]["edges"][1]["cursor"].as_str().unwrap();
    fleet.data(&format!("{{ registryAudit(after: \"{cursor}\") {{ nodes {{ id }} }} }}"), Some(&me)).await;
    assert_eq!(fleet.asked::<registry::ListAuditRequest>("ListAudit").page_token, "7");
}
