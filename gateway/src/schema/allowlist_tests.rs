//! Allowlists: whose they are, what services are asked, and what becomes of their answers.

use std::collections::BTreeMap;

use ids::UserId;
use prost::Message;
use proto::orchestrator::v1 as pb;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    node,
    played_tests::{CONTRACT, Fleet, UNKNOWN, viewer},
};

#[tokio::test]
async fn a_list_is_its_owners_and_a_proof_is_everybodys() {
    let list = pb::Allowlist {
        allowlist_id: Uuid::now_v7().to_string(),
        root: vec![3; 32],
        count: 2,
        ..Default::default()
    };
    let id = node::id("Allowlist", &list.allowlist_id);
    let members = pb::ListAllowlistMembersResponse {
        addresses: vec![CONTRACT.to_owned(), UNKNOWN.to_owned()],
        next_page_token: UNKNOWN.to_owned(),
    };
    let proof = pb::GetProofResponse { known: true, listed: true, proof: vec![vec![1; 32]] };
    let lists = pb::ListAllowlistsResponse {
        allowlists: vec![list.clone()],
        cursors: vec!["1".to_owned()],
        has_next: false,
    };
    let fleet = Fleet::start(BTreeMap::from([
        ("GetAllowlist", Ok(pb::GetAllowlistResponse { allowlist: Some(list.clone()) }.encode_to_vec())),
        ("PutAllowlist", Ok(pb::PutAllowlistResponse { allowlist: Some(list) }.encode_to_vec())),
        ("ListAllowlists", Ok(lists.encode_to_vec())),
        ("ListAllowlistMembers", Ok(members.encode_to_vec())),
        ("GetProof", Ok(proof.encode_to_vec())),
    ]))
    .await;
    let me = viewer(UserId::new());
    let query = format!(
        "{{ allowlist(id: \"{}\") {{ root count collection {{ id }} blockNumber
            members(first: 2) {{ nodes edges {{ cursor }} pageInfo {{ hasNextPage }} }} }}
            viewer {{ allowlists {{ nodes {{ id }} }} }} node(id: \"{}\") {{ id }} }}",
        *id, *id
    );
    let seen = fleet.data(&query, Some(&me)).await;
    assert_eq!(seen["allowlist"]["members"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(seen["allowlist"]["members"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&seen["allowlist"]["collection"], &seen["allowlist"]["blockNumber"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(seen["viewer"]["allowlists"]["nodes"][0]["id"], *id);
    assert_eq!(seen["node"]["id"], *id);
    let cursor = seen["allowlist"]["members"]["edges"][1]["cursor"].as_str().unwrap();
    let go_on = format!("{{ allowlist(id: \"{}\") {{ members(after: \"{cursor}\") {{ nodes }} }} }}", *id);
    fleet.data(&go_on, Some(&me)).await;
    let asked: pb::ListAllowlistMembersRequest = fleet.asked("ListAllowlistMembers");
    assert_eq!(asked.page_token, UNKNOWN, "an address is its own position");

    fleet.calls();
    assert_eq!(fleet.data(&format!("{{ node(id: \"{}\") {{ id }} }}", *id), None).await["node"], Value::Null);
    assert!(fleet.calls().is_empty(), "whether there is such a list is its owner's to know");
    let query = format!(
        "{{ allowlistProof(root: \"0x{}\", address: \"{CONTRACT}\") {{ listed proof }} }}",
        "03".repeat(32)
    );
    let expected = json!({ "listed": true, "proof": [format!("0x{}", "01".repeat(32))] });
    assert_eq!(fleet.data(&query, None).await["allowlistProof"], expected);

    let create = format!(
        "mutation {{ createAllowlist(input: {{ addresses: [\"{CONTRACT}\"] }}) {{
            __typename ... on Allowlist {{ root }} }} }}"
    );
    let seen = fleet.data(&create, Some(&me)).await;
    assert_eq!(seen["createAllowlist"]["__typename"], "Allowlist");
    let asked: pb::PutAllowlistRequest = fleet.asked("PutAllowlist");
    assert_eq!((asked.name.as_str(), asked.addresses.as_slice()), ("", &[CONTRACT.to_owned()][..]));
}
