//! What a query costs the services, and what becomes of their answers: user and wallet are played by a server that
//! counts its calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_graphql::{Request, Response};
use axum::{Router, body::Bytes, extract::State};
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::{BodyExt, Full};
use ids::{SessionId, UserId, WalletId};
use prost::Message;
use proto::{user::v1 as user, wallet::v1 as wallet};
use rpc::{Code, Identity, Refusal};
use serde_json::{Value, json};
use testkit::Certs;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use super::node;
use crate::{config, cursor::Seal, loaders::Loaders, peers::Peers, viewer::Viewer};

type Answers = BTreeMap<&'static str, Result<Vec<u8>, Status>>;

/// Services that answer what they were told, whatever is asked.
#[derive(Clone, Default)]
struct Played {
    answers: Arc<Answers>,
    calls: Arc<Mutex<Vec<String>>>,
}

async fn play(State(played): State<Played>, uri: Uri, _asked: Bytes) -> axum::response::Response {
    let name = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let answer = played.answers.get(name.as_str()).cloned();
    played.calls.lock().unwrap().push(name.clone());
    match answer.unwrap_or_else(|| Err(Status::internal(format!("{name} is not played")))) {
        Ok(message) => {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let framed = [&[0][..], &length, &message].concat();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = Full::new(Bytes::from(framed)).with_trailers(async { Some(Ok(trailers)) });
            let body = axum::body::Body::new(body);
            http::Response::builder().header("content-type", "application/grpc").body(body).unwrap()
        }
        Err(status) => status.into_http(),
    }
}

struct Fleet {
    played: Played,
    peers: Peers,
    _certs: Certs,
    _stop: DropGuard,
}

impl Fleet {
    async fn start(answers: Answers) -> Fleet {
        let played = Played { answers: answers.into(), ..Played::default() };
        let (certs, stop) = (testkit::certs(), CancellationToken::new());
        let mut urls = Vec::new();
        for name in ["user", "wallet"] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            urls.push(format!("https://{}", listener.local_addr().unwrap()));
            let identity = Identity::load(&certs.settings_for(name)).unwrap();
            let router = Router::new().fallback(play).with_state(played.clone());
            tokio::spawn(rpc::serve(listener, identity, router.into(), stop.clone()));
        }
        let nowhere: url::Url = "https://127.0.0.1:1".parse().unwrap();
        let urls = config::Peers {
            auth: nowhere.clone(),
            user: urls[0].parse().unwrap(),
            wallet: urls[1].parse().unwrap(),
            orchestrator: nowhere.clone(),
            media: nowhere.clone(),
            chain_registry: nowhere.clone(),
            catalog: nowhere.clone(),
            indexer: nowhere.clone(),
            subs_worker: nowhere,
        };
        let identity = Identity::load(&certs.settings_for("gateway")).unwrap();
        let peers = Peers::connect(&urls, &identity).unwrap();
        Fleet { played, peers, _certs: certs, _stop: stop.drop_guard() }
    }

    async fn ask(&self, query: &str, viewer: Option<&Viewer>) -> Response {
        let seal = Seal::new(&"a key for tests".to_owned().into());
        let schema = super::builder().data(self.peers.clone()).data(seal).finish();
        let mut request = Request::new(query).data(Loaders::new(&self.peers));
        if let Some(viewer) = viewer {
            request = request.data(viewer.clone());
        }
        schema.execute(request).await
    }

    async fn data(&self, query: &str, viewer: Option<&Viewer>) -> Value {
        let answer = self.ask(query, viewer).await;
        assert!(answer.errors.is_empty(), "{query}: {:?}", answer.errors);
        answer.data.into_json().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let mut calls = std::mem::take(&mut *self.played.calls.lock().unwrap());
        calls.sort();
        calls
    }
}

fn viewer(user_id: UserId) -> Viewer {
    Viewer {
        user_id,
        session_id: SessionId::new(),
        account_id: "eip155:1:0x0707070707070707070707070707070707070707".parse().unwrap(),
        roles: vec!["user".to_owned()],
        expires_at: chrono::Utc::now(),
    }
}

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
