//! Allowlists: stored once, within bounds, and proved to anybody.

use abi::launchpad::VitrineERC721;
use alloy::{
    primitives::{B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolValue},
};
use futures::future::join_all;
use proto::{
    common::v1::TokenStandard,
    orchestrator::v1::{
        Allowlist, GetAllowlistRequest, GetProofRequest, GetProofResponse, ListAllowlistMembersRequest,
        ListAllowlistsRequest, MintStage, PutAllowlistRequest,
        allowlist_service_client::AllowlistServiceClient,
    },
};
use rpc::{Channel, Code, Problem};
use serde_json::json;
use tonic::Response;

use crate::rig::{Rig, User, address, public_stage};

pub(crate) fn lists(rig: &Rig) -> AllowlistServiceClient<Channel> {
    AllowlistServiceClient::new(rig.channel("gateway"))
}

pub(crate) fn numbered(n: u64) -> String {
    format!("0x{n:040x}")
}

async fn put(rig: &Rig, user: &User, name: &str, addresses: Vec<String>) -> Result<Allowlist, Problem> {
    let request = user.says(PutAllowlistRequest { name: name.into(), addresses });
    let stored = lists(rig).put_allowlist(request).await;
    stored.map(|stored| stored.into_inner().allowlist.unwrap()).map_err(|status| Problem::from(&status))
}

pub(crate) async fn proof(rig: &Rig, root: &[u8], address: &str) -> GetProofResponse {
    let request = GetProofRequest { root: root.to_vec(), address: address.to_owned() };
    lists(rig).get_proof(request).await.unwrap().into_inner()
}

/// As the contract does it.
pub(crate) fn is_proved(root: &[u8], wallet: &str, proof: &[Vec<u8>]) -> bool {
    let leaf = keccak256(keccak256(address(wallet).abi_encode()));
    let reached = proof.iter().fold(leaf, |node, sibling| {
        let sibling = B256::from_slice(sibling);
        keccak256(if node < sibling { [node, sibling].concat() } else { [sibling, node].concat() })
    });
    reached.as_slice() == root
}

#[tokio::test]
async fn a_list_is_its_addresses_and_every_one_of_them_is_proved() {
    let rig = Rig::start().await;
    let (user, other) = (rig.user(1).await, rig.user(2).await);
    let addresses: Vec<String> = (1..=37).map(numbered).collect();
    let mut mixed = addresses.clone();
    mixed.reverse();
    mixed.push(numbered(7));
    let answers = join_all((0..8).map(|_| put(&rig, &user, "friends", mixed.clone()))).await;
    let list = answers[0].clone().unwrap();
    assert!(answers.into_iter().all(|answer| answer.unwrap() == list), "eight at once are one list");
    assert_eq!((list.name.as_str(), list.count, list.root.len()), ("friends", 37, 32));
    // The first name stays.
    assert_eq!(put(&rig, &user, "foes", addresses.clone()).await.unwrap(), list);
    let theirs = put(&rig, &other, "", addresses.clone()).await.unwrap();
    assert_eq!((&theirs.root, theirs.name.as_str()), (&list.root, ""));
    assert_ne!(theirs.allowlist_id, list.allowlist_id);
    let trees: i64 =
        sqlx::query_scalar("select count(*) from allowlist_trees").fetch_one(&rig.db.pool).await.unwrap();
    assert_eq!(trees, 1, "the same addresses are stored once");

    for wallet in &addresses {
        let proof = proof(&rig, &list.root, wallet).await;
        assert!(proof.known && proof.listed && is_proved(&list.root, wallet, &proof.proof));
    }
    let stranger = proof(&rig, &list.root, &numbered(38)).await;
    assert!(stranger.known && !stranger.listed && stranger.proof.is_empty());
    assert!(!proof(&rig, &[7; 32], &numbered(1)).await.known);

    // One address is its own root.
    let alone = put(&rig, &user, "alone", vec![numbered(5)]).await.unwrap();
    let proof = proof(&rig, &alone.root, &numbered(5)).await;
    assert!(proof.listed && proof.proof.is_empty() && is_proved(&alone.root, &numbered(5), &[]));
    rig.end().await;
}

#[tokio::test]
async fn lists_and_members_are_paged_for_their_user_and_for_nobody_else() {
    let rig = Rig::start().await;
    let (user, other) = (rig.user(1).await, rig.user(2).await);
    let mut all = Vec::new();
    for n in 1..=100 {
        all.push(put(&rig, &user, &format!("list {n}"), vec![numbered(n), numbered(n + 1)]).await.unwrap());
    }
    let problem = put(&rig, &user, "one more", vec![numbered(1)]).await.unwrap_err();
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));
    // What is there already is no other list, and everybody has a hundred of their own.
    put(&rig, &user, "", vec![numbered(1), numbered(2)]).await.unwrap();
    put(&rig, &other, "", vec![numbered(1)]).await.unwrap();

    all.reverse();
    let (mut listed, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = user.says(ListAllowlistsRequest { page_size: 33, page_token });
        let page = lists(&rig).list_allowlists(request).await.unwrap().into_inner();
        assert_eq!(page.allowlists.len(), page.cursors.len());
        listed.extend(page.allowlists);
        if !page.has_next {
            break;
        }
        page_token = page.cursors.last().unwrap().clone();
    }
    assert_eq!(listed, all);

    let addresses: Vec<String> = (1..=25).map(|n| numbered(n * 7)).collect();
    let theirs = put(&rig, &other, "", addresses.clone()).await.unwrap();
    let members = |user: &User, page_size: i32, page_token: &str| {
        let (allowlist_id, page_token) = (theirs.allowlist_id.clone(), page_token.to_owned());
        let request = user.says(ListAllowlistMembersRequest { allowlist_id, page_size, page_token });
        let mut lists = lists(&rig);
        async move { lists.list_allowlist_members(request).await.map(Response::into_inner) }
    };
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = members(&other, 10, &page_token).await.unwrap();
        seen.extend(page.addresses);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, addresses);
    assert_eq!(members(&other, 1000, &numbered(7 * 25)).await.unwrap().addresses, Vec::<String>::new());

    let get = |user: &User| {
        let request = user.says(GetAllowlistRequest { allowlist_id: theirs.allowlist_id.clone() });
        let mut lists = lists(&rig);
        async move { lists.get_allowlist(request).await.map(Response::into_inner) }
    };
    assert_eq!(get(&other).await.unwrap().allowlist.unwrap(), theirs);
    assert_eq!(Problem::from(&get(&user).await.unwrap_err()).code, Code::NotFound);
    assert_eq!(Problem::from(&members(&user, 10, "").await.unwrap_err()).code, Code::NotFound);
    assert_eq!(Problem::from(&members(&other, 1001, "").await.unwrap_err()).code, Code::BadInput);
    assert_eq!(Problem::from(&members(&other, 10, "7").await.unwrap_err()).reason, "BAD_CURSOR");
    rig.end().await;
}

#[tokio::test]
async fn each_wrong_address_is_named_by_its_place() {
    let rig = Rig::start().await;
    let user = rig.user(1).await;
    let wrong_case = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed".to_owned();
    let addresses = vec![numbered(1), wrong_case, numbered(0), "0x12".to_owned()];
    let problem = put(&rig, &user, "", addresses).await.unwrap_err();
    let said: Vec<(&str, &str)> =
        problem.violations.iter().map(|found| (found.path.as_str(), found.message.as_str())).collect();
    let paths: Vec<&str> = said.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, ["addresses[1]", "addresses[2]", "addresses[3]"]);
    assert!(said[0].1.contains("checksum") && said[1].1.contains("zero address"), "{said:?}");

    let many = put(&rig, &user, "", vec![String::new(); 50_000]).await.unwrap_err();
    assert_eq!(many.violations.len(), 10);
    for (path, name, addresses) in [
        ("addresses", "", vec![]),
        ("addresses", "", vec![numbered(1); 100_001]),
        ("name", "two\nlines", vec![numbered(1)]),
        ("name", &"x".repeat(101), vec![numbered(1)]),
    ] {
        let problem = put(&rig, &user, name, addresses).await.unwrap_err();
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, path));
    }
    // A message of the largest list there may be is taken.
    let list = put(&rig, &user, "", vec![numbered(1); 100_000]).await.unwrap();
    assert_eq!(list.count, 1);
    rig.end().await;
}

#[tokio::test]
async fn the_contract_takes_the_proofs_of_a_stored_list() {
    let rig = Rig::start().await;
    let (creator, member, stranger) = (rig.user(1).await, rig.user(2).await, rig.user(3).await);
    let mut addresses: Vec<String> = (1..=10).map(numbered).collect();
    addresses.push(member.address.clone());
    let list = put(&rig, &creator, "friends", addresses).await.unwrap();
    let stage =
        MintStage { kind: "allowlist".into(), allowlist_root: list.root.clone(), ..public_stage("0") };
    let mut request = creator.wants_collection("key", TokenStandard::Erc721);
    request.stages = vec![stage];
    let collection = rig.collection(&creator, request).await;

    let nodes = proof(&rig, &list.root, &member.address).await.proof;
    let proof: Vec<B256> = nodes.iter().map(|node| B256::from_slice(node)).collect();
    let mint = |method: &'static str, user: &User| {
        let (to, quantity, stage) = (address(&user.address), U256::ONE, U256::ZERO);
        let call = VitrineERC721::mintCall { to, quantity, stageId: stage, proof: proof.clone() };
        let data = Bytes::from(call.abi_encode());
        let transaction = json!({ "from": user.address, "to": collection.address, "data": data });
        let chain = &rig.chain;
        async move { chain.try_rpc(method, json!([transaction])).await }
    };
    let refused = mint("eth_call", &stranger).await;
    assert!(refused.as_ref().is_err_and(|why| why.contains("revert")), "{refused:?}");
    let hash = mint("eth_sendTransaction", &member).await.unwrap();
    assert_eq!(rig.receipt(hash.as_str().unwrap()).await["status"], "0x1");
    let supply = rig.view(&collection.address, VitrineERC721::totalSupplyCall {}).await;
    assert_eq!(supply, U256::ONE);
    rig.end().await;
}

#[tokio::test]
async fn all_lists_of_a_user_have_a_bound_together() {
    let rig = Rig::start().await;
    let (user, other) = (rig.user(1).await, rig.user(2).await);
    // Four lists of a hundred thousand and one of one less, as they would be stored.
    sqlx::query(
        "with trees as (
             insert into allowlist_trees (tree_id, root, size, nodes)
             select gen_random_uuid(), 'root ' || n, 100000 - n / 5, convert_to(repeat('x', 32 * (2 * (100000 - n / 5) - 1)), 'UTF8')
             from generate_series(1, 5) n returning tree_id)
         insert into allowlists (allowlist_id, user_id, name, tree_id, created_at)
         select gen_random_uuid(), $1::uuid, '', tree_id, now() from trees",
    )
    .bind(&user.caller.user_id)
    .execute(&rig.db.pool)
    .await
    .unwrap();
    let two = vec![numbered(1), numbered(2)];
    let problem = put(&rig, &user, "", two.clone()).await.unwrap_err();
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Conflict, "CONFLICT"));
    assert!(problem.message.contains("499999 are there"), "{}", problem.message);
    let last = put(&rig, &user, "", vec![numbered(1)]).await.unwrap();
    let problem = put(&rig, &user, "", vec![numbered(2)]).await.unwrap_err();
    assert_eq!(problem.code, Code::Conflict);
    assert_eq!(put(&rig, &user, "", vec![numbered(1)]).await.unwrap(), last, "what is there already");
    put(&rig, &other, "", two).await.unwrap();
    rig.end().await;
}

#[tokio::test]
async fn who_waits_for_a_list_of_their_own_keeps_nobody_else_waiting() {
    let rig = Rig::start().await;
    let (user, other) = (rig.user(1).await, rig.user(2).await);
    let mut busy = rig.db.pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('allowlists of ' || $1, 0))")
        .bind(&user.caller.user_id)
        .execute(&mut *busy)
        .await
        .unwrap();
    let waiting = join_all((1..=12).map(|n| put(&rig, &user, "", vec![numbered(n)])));
    let others = async {
        for n in 1..=3 {
            put(&rig, &other, "", vec![numbered(n)]).await.unwrap();
        }
        busy.rollback().await.unwrap();
    };
    let (stored, ()) = tokio::join!(waiting, others);
    assert!(stored.iter().all(Result::is_ok), "{stored:?}");
    rig.end().await;
}
