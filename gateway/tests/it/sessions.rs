//! The same by GraphQL: cookies go along with the answer, a dead token stands in nobody's way, and what belongs to
//! somebody else is not there.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{SessionId, UserId};
use serde_json::json;
use testkit::eventually;

use crate::{
    fleet::{ORIGIN, REFRESH, SESSION, good, start},
    signing::SECOND,
};

const FIELDS: &str =
    "__typename ... on AuthSession { accessToken refreshToken session { id isCurrent chainId } }
    ... on SiweProblem { code }";

fn opaque(session: SessionId) -> String {
    URL_SAFE_NO_PAD.encode(format!("Session:{session}"))
}

#[tokio::test]
async fn a_page_signs_in_refreshes_and_leaves() {
    let fleet = start().await;
    let origin = ("origin", ORIGIN);
    let nonce = fleet.graphql(&[origin], "mutation { issueSiweNonce { nonce message } }").await;
    assert_eq!(nonce.json()["data"]["issueSiweNonce"]["message"], json!(null));
    let (name, value) = nonce.pre().unwrap();
    let pre = format!("{name}={value}");
    let message = good(nonce.json()["data"]["issueSiweNonce"]["nonce"].as_str().unwrap());

    let verify = format!(
        r#"mutation {{ verifySiwe(input: {{ message: {message:?}, signature: "0x00" }}) {{ {FIELDS} }} }}"#
    );
    let signed_in = fleet.graphql(&[origin, ("cookie", &pre)], &verify).await;
    let session = &signed_in.json()["data"]["verifySiwe"];
    assert_eq!((&session["__typename"], &session["refreshToken"]), (&json!("AuthSession"), &json!(null)));
    assert_eq!(session["session"]["chainId"], "eip155:31337");
    assert!(signed_in.forgets(&name));

    let cookies = format!("{SESSION}=x.y.z; {REFRESH}={}", signed_in.kept(REFRESH).unwrap());
    let query = fleet.graphql(&[origin, ("cookie", &cookies)], "{ viewer { roles } }").await;
    assert_eq!(query.status, 401, "a token that is no good is told from none");
    assert!(
        query.forgets(SESSION) && query.cookie_line(REFRESH).is_none(),
        "the session may still be refreshed"
    );

    let refresh = format!("mutation {{ refreshSession(deviceId: \"device-1\") {{ {FIELDS} }} }}");
    let refreshed = fleet.graphql(&[origin, ("cookie", &cookies)], &refresh).await;
    assert_eq!(refreshed.json()["data"]["refreshSession"]["__typename"], "AuthSession", "{refreshed:?}");
    let client = fleet.auth.memory().refreshes[0].client.clone().unwrap();
    assert_eq!(client.device_id, "device-1");
    let fresh = format!("{SESSION}={}", refreshed.kept(SESSION).unwrap());
    let viewer = fleet.graphql(&[origin, ("cookie", &fresh)], "{ viewer { session { isCurrent } } }").await;
    assert_eq!(viewer.json()["data"]["viewer"]["session"]["isCurrent"], json!(true), "{viewer:?}");

    let reused = fleet.graphql(&[origin, ("cookie", &cookies)], &refresh).await;
    assert_eq!(reused.json()["data"]["refreshSession"]["code"], "REFRESH_REUSED");
    assert!(reused.forgets(SESSION) && reused.forgets(REFRESH));
    let nothing = fleet.graphql(&[origin], &refresh).await;
    assert_eq!(nothing.json()["data"]["refreshSession"]["code"], "REFRESH_EXPIRED");
    let left = fleet.graphql(&[origin, ("cookie", &cookies)], "mutation { signOut }").await;
    assert_eq!(left.json()["data"]["signOut"], json!(true), "leaving is always fine");
}

#[tokio::test]
async fn an_expired_token_may_leave_but_do_nothing_else_beside_it() {
    let fleet = start().await;
    let (session, token) = fleet.auth.session(UserId::new(), -60);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    for query in [
        "mutation { signOut revokeOtherSessions }",
        "mutation { ...All } fragment All on Mutation { signOut }",
        "mutation A { signOut } mutation B { signOut }",
        "{ viewer { roles } }",
        "mutation { signOutEverywhere }",
    ] {
        assert_eq!(fleet.graphql(&headers, query).await.status, 401, "{query}");
    }
    assert!(fleet.auth.is_alive(session));
    let left = fleet.graphql(&headers, "mutation { signOut __typename }").await;
    assert_eq!(left.json()["data"]["signOut"], json!(true), "{left:?}");
    assert!(!fleet.auth.is_alive(session));
    assert!(left.headers.get("set-cookie").is_none(), "a client with a token has no cookies to lose");
}

#[tokio::test]
async fn refusals_are_data_and_limits_say_when_to_come_back() {
    let fleet = start().await;
    let verify = async |message: &str| {
        let input = format!(r#"{{ message: "{message}", signature: "0x00", delivery: BEARER }}"#);
        fleet.graphql(&[], &format!("mutation {{ verifySiwe(input: {input}) {{ {FIELDS} ... on ForbiddenProblem {{ code }} }} }}")).await
    };
    let suspended = verify("suspended").await;
    assert_eq!(
        suspended.json()["data"]["verifySiwe"],
        json!({ "__typename": "ForbiddenProblem", "code": "USER_SUSPENDED" })
    );
    let forged = verify("forged").await;
    assert_eq!(
        forged.json()["data"]["verifySiwe"],
        json!({ "__typename": "SiweProblem", "code": "SIGNATURE_INVALID" })
    );
    let limited = verify("limited").await;
    let extensions = &limited.json()["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["retryAfterMs"]), (&json!("RATE_LIMITED"), &json!(2500)));
    assert_eq!(limited.header("retry-after"), "3");
}

#[tokio::test]
async fn a_nonce_that_links_a_wallet_is_for_somebody_signed_in() {
    let fleet = start().await;
    let ask = "mutation { issueSiweNonce(purpose: LINK) { nonce } }";
    let guest = fleet.graphql(&[], ask).await;
    assert_eq!(guest.json()["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert!(fleet.auth.memory().nonces.is_empty());

    let user = UserId::new();
    let bearer = format!("Bearer {}", fleet.auth.session(user, 900).1);
    let answer = fleet.graphql(&[("authorization", &bearer)], ask).await;
    assert!(answer.json()["data"]["issueSiweNonce"]["nonce"].is_string(), "{answer:?}");
    let (asked, caller) = fleet.auth.memory().nonces.last().unwrap().clone();
    assert_eq!(caller, Some(user.to_string()));
    assert!(asked.pre_session.is_empty());
}

#[tokio::test]
async fn sessions_are_seen_and_ended_by_their_owner_only() {
    let fleet = start().await;
    let (mine, theirs) = (UserId::new(), UserId::new());
    let (here, token) = fleet.auth.session(mine, 900);
    let (there, there_token) = fleet.auth.session(mine, 900);
    let (foreign, _) = fleet.auth.session(theirs, 900);
    let bearer = format!("Bearer {token}");
    let me = [("authorization", bearer.as_str())];

    let seen = fleet
        .graphql(&me, "{ viewer { sessions { id isCurrent } loginEvents(first: 5) { nodes { result } } } }")
        .await;
    let seen = seen.json();
    let listed = seen["data"]["viewer"]["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{seen}");
    let current = listed.iter().find(|session| session["isCurrent"] == json!(true)).unwrap();
    assert_eq!(current["id"], opaque(here));
    assert_eq!(seen["data"]["viewer"]["loginEvents"]["nodes"][0]["result"], "success");

    let none = SessionId::new();
    let node = async |id: SessionId| {
        fleet.graphql(&me, &format!("{{ node(id: \"{}\") {{ id }} }}", opaque(id))).await.json()
    };
    assert_eq!(node(here).await["data"]["node"]["id"], opaque(here));
    assert_eq!(node(foreign).await, node(none).await, "a session of somebody else is like none");
    let revoke = async |id: &str| {
        fleet.graphql(&me, &format!("mutation {{ revokeSession(id: \"{id}\") }}")).await.json()
    };
    assert_eq!(revoke(&opaque(foreign)).await, revoke(&opaque(none)).await);
    assert_eq!(revoke("nonsense").await["data"]["revokeSession"], json!(false));
    assert!(fleet.auth.is_alive(foreign));

    assert_eq!(revoke(&opaque(there)).await["data"]["revokeSession"], json!(true));
    let dead = format!("Bearer {there_token}");
    let refused = fleet.graphql(&[("authorization", &dead)], "{ viewer { roles } }").await;
    assert_eq!(refused.status, 401, "the replica that ended it does not wait to be told");

    fleet.auth.session(mine, 900);
    fleet.auth.session(mine, 900);
    let others = fleet.graphql(&me, "mutation { revokeOtherSessions }").await;
    assert_eq!(others.json()["data"]["revokeOtherSessions"], 2);
    let all = fleet.graphql(&me, "mutation { signOutEverywhere }").await;
    assert_eq!(all.json()["data"]["signOutEverywhere"], 1);
    assert_eq!(fleet.graphql(&me, "{ viewer { roles } }").await.status, 401);
    assert!(fleet.auth.is_alive(foreign));
}

#[tokio::test]
async fn a_key_that_auth_publishes_later_is_learned() {
    let fleet = start().await;
    let user = UserId::new();
    let (session, token) = fleet.auth.session(user, 900);
    let bearer = format!("Bearer {token}");
    assert_eq!(fleet.get("/auth/session", &[("authorization", &bearer)]).await.status, 200);
    fleet.auth.memory().published.push(SECOND.public.clone());
    let later = format!("Bearer {}", SECOND.sign(user, session, 900));
    let what = "the new key is known";
    eventually(std::time::Duration::from_secs(10), what, async || {
        let answer = fleet.get("/auth/session", &[("authorization", &later)]).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn services_that_are_down_cost_their_own_fields_only() {
    let fleet = start().await;
    let account = format!("eip155:1:0x{}", "07".repeat(20));
    let operator = format!("0x{}", "07".repeat(20));
    let query = format!(
        r#"{{ __typename searchUsers(prefix: "a") {{ id }}
            approvals(account: "{account}") {{ nodes {{ operator }} }}
            approvalHistory(account: "{account}") {{ nodes {{ operator }} }}
            grantors(operator: "{operator}", chainId: "eip155:1") {{ nodes {{ owner }} }} }}"#
    );
    let answer = fleet.graphql(&[], &query).await.json();
    assert_eq!(answer["data"]["__typename"], "Query", "{answer}");
    for field in ["searchUsers", "approvals", "approvalHistory", "grantors"] {
        assert_eq!(answer["data"][field], json!(null), "{field}");
    }
    assert_eq!(answer["errors"].as_array().unwrap().len(), 4, "{answer}");

    let input = r#"{ message: "good", signature: "0x00", delivery: BEARER }"#;
    let fields = "... on AuthSession { accessToken user { id } }";
    let opened =
        fleet.graphql(&[], &format!("mutation {{ verifySiwe(input: {input}) {{ {fields} }} }}")).await;
    let opened = opened.json();
    assert!(opened["data"]["verifySiwe"]["accessToken"].is_string(), "{opened}");
    assert_eq!(opened["data"]["verifySiwe"]["user"], json!(null));
    assert_eq!(opened["errors"][0]["path"], json!(["verifySiwe", "user"]));
    assert_eq!(opened["errors"][0]["extensions"]["code"], "UNAVAILABLE");
}
