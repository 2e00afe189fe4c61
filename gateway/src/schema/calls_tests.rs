//! What a query costs the services, and what becomes of their answers: user and wallet are played by a server that
//! counts its calls.

use std::collections::BTreeMap;

use ids::{UserId, WalletId};
use prost::Message;
use proto::{user::v1 as user, wallet::v1 as wallet};
use rpc::{Code, Refusal};
use serde_json::{Value, json};

use super::{
    node,
    played_tests::{Fleet, viewer},
};
use crate::viewer::Viewer;

fn row(id: UserId) -> user::User {
    user::User { user_id: id.to_string(), status: "active".to_owned(), version: 3, ..Default::default() }
}

fn wallet_of(id: UserId) -> wallet::Wallet {
    let account = "eip155:1:0x0909090909090909090909090909090909090909";
    wallet::Wallet {
        wallet_id: WalletId::new().to_string(),
        user_id: id.to_string(),
        account_id: account.to_owned(),
        address: account[9..].to_owned(),
        chain_id: "eip155:1".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_page_of_followers_costs_one_call_for_each_thing_that_is_asked_of_all_of_them() {
    let ids: Vec<UserId> = (0..20).map(|_| UserId::new()).collect();
    let followers = user::ListFollowsResponse {
        users: ids.iter().map(|id| row(*id)).collect(),
        next_page_token: "20".to_owned(),
        positions: (1..=20).map(|at| at.to_string()).collect(),
        total_size: 57,
    };
    let stats = ids.iter().enumerate().map(|(at, id)| user::Stats {
        user_id: id.to_string(),
        followers_count: i32::try_from(at).unwrap(),
        volume_sold: "1500000000000000000".to_owned(),
        ..Default::default()
    });
    let stats = user::BatchGetStatsResponse { stats: stats.collect() };
    let following = user::BatchIsFollowingResponse { user_ids: vec![ids[1].to_string()] };
    let wallets = wallet::BatchListWalletsResponse { wallets: ids.iter().copied().map(wallet_of).collect() };
    let me = UserId::new();
    let fleet = Fleet::start(BTreeMap::from([
        ("BatchGetUsers", Ok(user::BatchGetUsersResponse { users: vec![row(me)] }.encode_to_vec())),
        ("ListFollows", Ok(followers.encode_to_vec())),
        ("BatchGetStats", Ok(stats.encode_to_vec())),
        ("BatchIsFollowing", Ok(following.encode_to_vec())),
        ("BatchListWallets", Ok(wallets.encode_to_vec())),
    ]))
    .await;

    let query = "{ viewer { user { followers { totalCount pageInfo { hasNextPage endCursor } nodes {
        id status isFollowedByViewer stats { followersCount volumeSold { raw decimal currency { symbol } } }
        wallets { address label } } } } } }";
    let data = fleet.data(query, Some(&viewer(me))).await;
    let expected = ["BatchGetStats", "BatchGetUsers", "BatchIsFollowing", "BatchListWallets", "ListFollows"];
    assert_eq!(fleet.calls(), expected);

    let page = &data["viewer"]["user"]["followers"];
    assert_eq!((&page["totalCount"], &page["pageInfo"]["hasNextPage"]), (&json!(57), &json!(true)));
    assert_eq!(page["nodes"][0]["isFollowedByViewer"], false);
    assert_eq!(page["nodes"][1]["isFollowedByViewer"], true);
    assert_eq!(page["nodes"][7]["stats"]["followersCount"], 7);
    assert_eq!(
        page["nodes"][7]["stats"]["volumeSold"],
        json!({ "raw": "1500000000000000000", "decimal": "1.5", "currency": { "symbol": "ETH" } })
    );
    assert_eq!(page["nodes"][7]["wallets"][0]["label"], Value::Null);
    assert_eq!(page["nodes"][7]["status"], Value::Null, "another's standing is not a user's to see");

    // The cursor is of this list: not of whom the user follows, nor of another user.
    let cursor = page["pageInfo"]["endCursor"].as_str().unwrap();
    let go_on = format!("{{ viewer {{ user {{ followers(after: \"{cursor}\") {{ totalCount }} }} }} }}");
    assert_eq!(fleet.data(&go_on, Some(&viewer(me))).await["viewer"]["user"]["followers"]["totalCount"], 57);
    let misused = fleet.ask(&go_on.replace("followers(", "following("), Some(&viewer(me))).await;
    assert!(format!("{:?}", misused.errors).contains("BAD_CURSOR"), "{:?}", misused.errors);
}

#[tokio::test]
async fn a_guest_costs_no_call_about_following_and_sees_nobodys_standing() {
    let id = UserId::new();
    let found = user::GetUserResponse { user: Some(row(id)) };
    let fleet = Fleet::start(BTreeMap::from([("GetUser", Ok(found.encode_to_vec()))])).await;
    let query = "{ user(by: { username: \"ada\" }) { isFollowedByViewer status roles revision version } }";
    let seen = fleet.data(query, None).await;
    let expected =
        json!({ "isFollowedByViewer": false, "status": null, "roles": null, "revision": null, "version": 3 });
    assert_eq!(seen["user"], expected);
    assert_eq!(fleet.calls(), ["GetUser"]);
    let seen = fleet.data(query, Some(&viewer(id))).await;
    assert_eq!((&seen["user"]["status"], &seen["user"]["revision"]), (&json!("ACTIVE"), &json!(0)));
    let staff = Viewer { roles: vec!["user".into(), "moderator".into()], ..viewer(UserId::new()) };
    let query = query.replace("isFollowedByViewer", "");
    assert_eq!(fleet.data(&query, Some(&staff)).await["user"]["status"], "ACTIVE");
}

#[tokio::test]
async fn a_wallet_is_found_by_its_owner_and_for_anybody_else_it_is_as_if_it_were_not_there() {
    let owner = UserId::new();
    let row = wallet_of(owner);
    let id = node::id("Wallet", &row.wallet_id);
    let wallets = wallet::BatchListWalletsResponse { wallets: vec![row] };
    let fleet = Fleet::start(BTreeMap::from([("BatchListWallets", Ok(wallets.encode_to_vec()))])).await;
    let nobodys = node::id("Wallet", WalletId::new());
    let query = format!("{{ nodes(ids: [\"{}\", \"{}\", \"x\"]) {{ id }} }}", *id, *nobodys);
    let seen = fleet.data(&query, Some(&viewer(owner))).await;
    assert_eq!(seen["nodes"], json!([{ "id": *id }, null, null]));
    // The fake answers with the owner's wallets whoever asks: they are not taken for the asker's own.
    assert_eq!(fleet.data(&query, Some(&viewer(UserId::new()))).await["nodes"], json!([null, null, null]));
    assert_eq!(fleet.data(&query, None).await["nodes"], json!([null, null, null]));
}

#[tokio::test]
async fn expected_refusals_are_data() {
    let refused = |code, reason| Err(Refusal::new(code, reason, "no").into());
    let fleet = Fleet::start(BTreeMap::from([
        ("SetFollow", refused(Code::NotFound, "NOT_FOUND")),
        ("Unlink", refused(Code::Conflict, "LAST_WALLET")),
        ("SetPrimary", refused(Code::NotFound, "NOT_FOUND")),
        ("LinkWallet", refused(Code::Conflict, "WALLET_TAKEN")),
        ("UpdatePreferences", refused(Code::Conflict, "STALE_VERSION")),
        ("UpdateProfile", Err(Refusal::field("profile.display_name", "TOO_LONG", "is too long").into())),
    ]))
    .await;
    let me = viewer(UserId::new());
    let (user_id, wallet_id) = (node::id("User", UserId::new()), node::id("Wallet", WalletId::new()));
    let code = "__typename ... on Problem { code }";
    for (operation, kind, expected) in [
        (format!("followUser(id: \"{}\") {{ {code} }}", *user_id), "NotFoundProblem", "NOT_FOUND"),
        (format!("followUser(id: \"made up\") {{ {code} }}"), "NotFoundProblem", "NOT_FOUND"),
        (format!("unlinkWallet(id: \"{}\") {{ {code} }}", *wallet_id), "ConflictProblem", "LAST_WALLET"),
        (format!("unlinkWallet(id: \"made up\") {{ {code} }}"), "NotFoundProblem", "NOT_FOUND"),
        (format!("setPrimaryWallet(id: \"{}\") {{ {code} }}", *wallet_id), "NotFoundProblem", "NOT_FOUND"),
        (
            format!("updatePreferences(input: {{ theme: \"dark\" }}) {{ {code} }}"),
            "ConflictProblem",
            "STALE_VERSION",
        ),
        (format!("updatePreferences(input: {{}}) {{ {code} }}"), "ValidationProblem", "VALIDATION_FAILED"),
    ] {
        let field = operation.split('(').next().unwrap().to_owned();
        let seen = fleet.data(&format!("mutation {{ {operation} }}"), Some(&me)).await;
        assert_eq!(seen[&field], json!({ "__typename": kind, "code": expected }), "{operation}");
    }
    let profile = "mutation { updateProfile(input: { displayName: \"…\" }) {
        ... on ValidationProblem { violations { path code message } } } }";
    let seen = fleet.data(profile, Some(&me)).await;
    let violation = json!({ "path": ["displayName"], "code": "TOO_LONG", "message": "is too long" });
    assert_eq!(seen["updateProfile"]["violations"], json!([violation]));
}
