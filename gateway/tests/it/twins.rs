//! Plain HTTP: a browser's whole way from the nonce to the sign-out, a client with tokens, and every refusal.

use ids::UserId;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::fleet::{Answer, ORIGIN, PRE, REFRESH, SESSION, good, start, start_behind};

fn code(answer: &Answer) -> String {
    let body = answer.json();
    assert!(body["message"].is_string() && body["requestId"].is_string(), "{body}");
    assert_eq!(answer.header("cache-control"), "no-store");
    body["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_signs_in_comes_back_refreshes_and_leaves() {
    let fleet = start().await;
    let nonce = fleet.get("/auth/nonce", &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!((nonce.status.as_u16(), nonce.header("content-type")), (200, "text/plain; charset=utf-8"));
    assert!(nonce.text.bytes().all(|b| b.is_ascii_alphanumeric()) && !nonce.text.is_empty());
    assert_eq!(nonce.header("cache-control"), "no-store");
    let (name, pre) = nonce.pre().unwrap();
    assert_eq!(name, format!("{PRE}{}", &nonce.text[..8]));
    assert_eq!(fleet.auth.memory().nonces[0].0.pre_session, Sha256::digest(&pre).to_vec());
    let pre_cookie = format!("{name}={pre}");

    let proof = json!({ "message": good(&nonce.text), "signature": "0xabcd" });
    let headers = [("cookie", pre_cookie.as_str()), ("origin", ORIGIN)];
    let signed_in = fleet.post("/auth/verify", &headers, &proof).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert_eq!(signed_in.json()["refreshToken"], json!(null));
    assert_eq!(fleet.auth.memory().proofs[0].signature, [0xab, 0xcd]);
    assert!(signed_in.forgets(&name), "what was before the session ends with its beginning");
    for name in [SESSION, REFRESH] {
        let line = signed_in.cookie_line(name).unwrap();
        for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age="] {
            assert!(line.contains(attribute), "{line}");
        }
        assert!(!line.contains("Domain"), "{line}");
        assert!(!signed_in.kept(name).unwrap().contains(&pre), "the session is not the pre-session");
    }

    let cookies = |answer: &Answer| {
        format!("{SESSION}={}; {REFRESH}={}", answer.kept(SESSION).unwrap(), answer.kept(REFRESH).unwrap())
    };
    let first = cookies(&signed_in);
    let session = fleet.get("/auth/session", &[("cookie", &first)]).await;
    assert_eq!(session.json()["session"]["id"], signed_in.json()["session"]["id"]);
    assert_eq!(session.json()["roles"], json!(["user"]));

    let refreshed = fleet.post("/auth/refresh", &[("cookie", &first), ("origin", ORIGIN)], &json!({})).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_ne!(refreshed.kept(REFRESH), signed_in.kept(REFRESH));
    assert_eq!(refreshed.json()["refreshToken"], json!(null));

    let second = cookies(&refreshed);
    let left = fleet.post("/auth/logout", &[("cookie", &second), ("origin", ORIGIN)], &json!({})).await;
    assert_eq!((left.status.as_u16(), left.json()), (200, json!({ "ok": true })));
    assert!(left.forgets(SESSION) && left.forgets(REFRESH));
    assert_eq!(fleet.auth.memory().ended.len(), 1);

    // The token itself is dead, at once and here, and the browser is told to drop both cookies.
    let after = fleet.get("/auth/session", &[("cookie", &second)]).await;
    assert_eq!((after.status.as_u16(), code(&after).as_str()), (401, "UNAUTHENTICATED"));
    assert!(after.forgets(SESSION) && after.forgets(REFRESH));
}

#[tokio::test]
async fn a_nonce_of_another_browser_signs_nobody_in_by_cookies() {
    let fleet = start().await;
    let nonce = fleet.get("/auth/nonce", &[]).await;
    let proof = json!({ "message": good(&nonce.text), "signature": "0x00" });
    let stranger = format!("{}={}", nonce.pre().unwrap().0, "A".repeat(43));
    for headers in [&[("origin", ORIGIN)][..], &[("origin", ORIGIN), ("cookie", stranger.as_str())]] {
        let answer = fleet.post("/auth/verify", headers, &proof).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (400, "NONCE_UNKNOWN"));
        assert!(answer.cookie_line(SESSION).is_none());
    }
}

#[tokio::test]
async fn two_pages_of_one_browser_sign_in_at_once() {
    let fleet = start().await;
    let ask = async || {
        let nonce = fleet.get("/auth/nonce", &[("accept", "application/json")]).await;
        assert_eq!(nonce.json()["domain"], "localhost:8081");
        (nonce.json()["nonce"].as_str().unwrap().to_owned(), nonce.pre().unwrap())
    };
    // Neither page knew of the other's cookie when it asked.
    let ((first, (one, value)), (second, (two, other))) = (ask().await, ask().await);
    assert_ne!((&one, &value), (&two, &other));
    let jar = format!("{one}={value}; {two}={other}");
    let verify = async |nonce: &str, jar: &str, delivery: &str| {
        let proof = json!({ "message": good(nonce), "signature": "0x00", "delivery": delivery });
        fleet.post("/auth/verify", &[("cookie", jar), ("origin", ORIGIN)], &proof).await
    };
    let by_token = verify(&first, &jar, "BEARER").await;
    assert_eq!(by_token.status, 200);
    assert!(by_token.headers.get("set-cookie").is_none(), "the jar is not this client's");

    let signed_in = verify(&first, &jar, "COOKIE").await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert!(signed_in.forgets(&one) && signed_in.cookie_line(&two).is_none());
    let beside = verify(&second, &format!("{two}={other}"), "COOKIE").await;
    assert_eq!(beside.status, 200, "{beside:?}");
    assert!(beside.forgets(&two));
}

#[tokio::test]
async fn a_browser_keeps_the_cookies_of_eight_nonces() {
    let fleet = start().await;
    let old: Vec<String> = (0..10).map(|n| format!("{PRE}old0000{n}")).collect();
    let jar: Vec<String> = old.iter().map(|name| format!("{name}={}", "A".repeat(43))).collect();
    let nonce = fleet.get("/auth/nonce", &[("cookie", &jar.join("; "))]).await;
    assert!(nonce.pre().is_some());
    let forgotten: Vec<bool> = old.iter().map(|name| nonce.forgets(name)).collect();
    let oldest = [true, true, true, false, false, false, false, false, false, false];
    assert_eq!(forgotten, oldest, "seven and the new one");
}

#[tokio::test]
async fn a_client_with_tokens_gets_no_cookie_and_shows_none() {
    let fleet = start().await;
    let proof = json!({ "message": "good", "signature": "0x00", "delivery": "BEARER" });
    let signed_in = fleet.post("/auth/verify", &[], &proof).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    assert!(signed_in.headers.get("set-cookie").is_none());
    assert!(!fleet.auth.memory().proofs[0].as_cookies);
    let (access, refresh) =
        (signed_in.json()["accessToken"].clone(), signed_in.json()["refreshToken"].clone());
    let bearer = format!("Bearer {}", access.as_str().unwrap());
    assert_eq!(fleet.get("/auth/session", &[("authorization", &bearer)]).await.status, 200);

    let refreshed = fleet.post("/auth/refresh", &[], &json!({ "refreshToken": refresh })).await;
    assert!(refreshed.json()["refreshToken"].is_string());
    assert!(refreshed.headers.get("set-cookie").is_none());
    let reused = fleet.post("/auth/refresh", &[], &json!({ "refreshToken": refresh })).await;
    assert_eq!((reused.status.as_u16(), code(&reused).as_str()), (401, "REFRESH_REUSED"));
    assert!(reused.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn a_dead_refresh_cookie_is_dropped_and_one_that_could_not_be_looked_at_is_kept() {
    let fleet = start().await;
    let browser = fleet.sign_in_with_cookies().await;
    let (cookies, origin) = (browser.cookies(), ("origin", ORIGIN));

    fleet.auth.memory().is_down = true;
    let away = fleet.post("/auth/refresh", &[("cookie", &cookies), origin], &json!({})).await;
    assert_eq!((away.status.as_u16(), code(&away).as_str()), (503, "UNAVAILABLE"));
    assert!(!away.header("retry-after").is_empty());
    assert!(away.headers.get("set-cookie").is_none());
    fleet.auth.memory().is_down = false;

    // The breaker may need a moment after the fault.
    let refreshed = testkit::eventually(std::time::Duration::from_secs(10), "a refresh", async || {
        let answer = fleet.post("/auth/refresh", &[("cookie", &cookies), origin], &json!({})).await;
        (answer.status == 200).then_some(answer)
    });
    refreshed.await;
    let reused = fleet.post("/auth/refresh", &[("cookie", &cookies), origin], &json!({})).await;
    assert_eq!((reused.status.as_u16(), code(&reused).as_str()), (401, "REFRESH_REUSED"));
    assert!(reused.forgets(SESSION) && reused.forgets(REFRESH));
    let none = fleet.post("/auth/refresh", &[origin], &json!({})).await;
    assert_eq!((none.status.as_u16(), code(&none).as_str()), (401, "REFRESH_EXPIRED"));
}

#[tokio::test]
async fn signing_out_ends_the_session_whatever_is_left_of_it() {
    let fleet = start().await;
    let nobody = fleet.post("/auth/logout", &[], &json!({})).await;
    assert_eq!(nobody.status, 200, "a guest may leave");
    assert_eq!(fleet.auth.memory().changes, 0);

    let browser = fleet.sign_in_with_cookies().await;
    let cookie = browser.refresh_cookie();
    let left = fleet.post("/auth/logout", &[("cookie", &cookie), ("origin", ORIGIN)], &json!({})).await;
    assert_eq!(left.status, 200, "{left:?}");
    assert!(left.forgets(REFRESH));
    assert_eq!(fleet.auth.memory().ended.len(), 1);
    let again = fleet.post("/auth/logout", &[("cookie", &cookie), ("origin", ORIGIN)], &json!({})).await;
    assert_eq!(again.status, 200, "leaving twice is fine");

    let (session, expired) = fleet.auth.session(UserId::new(), -60);
    let bearer = format!("Bearer {expired}");
    assert_eq!(fleet.get("/auth/session", &[("authorization", &bearer)]).await.status, 401);
    let left = fleet.post("/auth/logout", &[("authorization", &bearer)], &json!({})).await;
    assert_eq!(left.status, 200);
    assert!(!fleet.auth.is_alive(session), "an expired token is enough to leave");

    let (session, ancient) = fleet.auth.session(UserId::new(), -3 * 86_400);
    for shown in [ancient.as_str(), "nonsense"] {
        let bearer = format!("Bearer {shown}");
        let refused = fleet.post("/auth/logout", &[("authorization", &bearer)], &json!({})).await;
        assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (401, "UNAUTHENTICATED"));
        let refused = fleet.graphql(&[("authorization", &bearer)], "mutation { signOut }").await;
        assert_eq!(refused.json()["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
    assert!(fleet.auth.is_alive(session), "a token of last week is nobody's");
}

#[tokio::test]
async fn a_refresh_token_that_is_given_ends_its_session_and_is_not_used_up() {
    let fleet = start().await;
    let sign_in = async || {
        let proof = json!({ "message": "good", "signature": "0x00", "delivery": "BEARER" });
        let refresh_token = fleet.post("/auth/verify", &[], &proof).await.json()["refreshToken"].clone();
        let session = fleet.auth.memory().refresh[refresh_token.as_str().unwrap()].0;
        (refresh_token, session)
    };
    let (token, session) = sign_in().await;
    for _ in 0..2 {
        let left = fleet.post("/auth/logout", &[], &json!({ "refreshToken": token })).await;
        assert_eq!(left.status, 200, "{left:?}");
        assert!(!fleet.auth.is_alive(session));
    }
    let (token, session) = sign_in().await;
    let stale = [("authorization", "Bearer nonsense")];
    let left = fleet.graphql(&stale, &format!("mutation {{ signOut(refreshToken: {token}) }}")).await;
    assert_eq!(left.json()["data"]["signOut"], json!(true), "{left:?}");
    assert!(!fleet.auth.is_alive(session));
    assert!(fleet.auth.memory().refreshes.is_empty());
}

#[tokio::test]
async fn a_sign_out_that_failed_can_be_tried_again() {
    let fleet = start().await;
    let browser = fleet.sign_in_with_cookies().await;
    let origin = ("origin", ORIGIN);
    fleet.auth.memory().is_down = true;
    let failed = fleet.post("/auth/logout", &[("cookie", &browser.cookies()), origin], &json!({})).await;
    assert_eq!((failed.status.as_u16(), code(&failed).as_str()), (503, "UNAVAILABLE"));
    assert!(failed.forgets(SESSION) && failed.cookie_line(REFRESH).is_none(), "{failed:?}");
    fleet.auth.memory().is_down = false;

    let within = std::time::Duration::from_secs(10);
    let left = testkit::eventually(within, "a sign-out", async || {
        let cookie = browser.refresh_cookie();
        let answer = fleet.post("/auth/logout", &[("cookie", &cookie), origin], &json!({})).await;
        (answer.status == 200).then_some(answer)
    });
    assert!(left.await.forgets(REFRESH));
    assert_eq!(fleet.auth.memory().ended.len(), 1);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_not_read() {
    let fleet = start().await;
    // More than what is read ahead of the bound.
    let large = "x".repeat(80 * 1024);
    assert_eq!(fleet.get("/auth/nonce", &[("x-large", &large)]).await.status, 431);
}

#[tokio::test]
async fn refusals_have_the_status_of_their_kind() {
    let fleet = start().await;
    let verify = async |message: &str| {
        let proof = json!({ "message": message, "signature": "0x00", "delivery": "BEARER" });
        fleet.post("/auth/verify", &[], &proof).await
    };
    let limited = verify("limited").await;
    assert_eq!((limited.status.as_u16(), code(&limited).as_str()), (429, "RATE_LIMITED"));
    assert_eq!(limited.header("retry-after"), "3", "rounded up");
    let suspended = verify("suspended").await;
    assert_eq!((suspended.status.as_u16(), code(&suspended).as_str()), (403, "USER_SUSPENDED"));
    let forged = verify("forged").await;
    assert_eq!((forged.status.as_u16(), code(&forged).as_str()), (400, "SIGNATURE_INVALID"));

    for body in
        [json!({}), json!({ "message": "good" }), json!({ "message": "good", "signature": "abc" }), json!([])]
    {
        let answer = fleet.post("/auth/verify", &[], &body).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (400, "BAD_INPUT"), "{body}");
    }
    let proof = json!({ "message": "good", "signature": "0x00", "delivery": "BEARER" }).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let headers = [("content-type", kind)];
        let answer = fleet.send(reqwest::Method::POST, "/auth/verify", &headers, Some(proof.clone())).await;
        assert_eq!(answer.status, 415, "{kind}");
    }
    let large = fleet.post("/auth/verify", &[], &json!({ "message": "x".repeat(70_000) })).await;
    assert_eq!((large.status.as_u16(), code(&large).as_str()), (413, "BAD_INPUT"));
    let other = fleet.get("/auth/verify", &[]).await;
    assert_eq!(
        (other.status.as_u16(), code(&other).as_str(), other.header("allow")),
        (405, "BAD_INPUT", "POST")
    );
    let with_token = [("authorization", "Bearer x")];
    let both =
        fleet.post("/auth/verify", &with_token, &json!({ "message": "good", "signature": "0x00" })).await;
    assert_eq!((both.status.as_u16(), code(&both).as_str()), (400, "BAD_INPUT"));
    assert!(both.json()["message"].as_str().unwrap().contains("BEARER"));
}

#[tokio::test]
async fn what_is_public_is_public_and_carries_no_credentials() {
    let fleet = start().await;
    let evil = ("origin", "https://evil.example");
    let keys = fleet.get("/.well-known/jwks.json", &[evil]).await;
    assert_eq!(keys.json()["keys"][0]["kid"], "first");
    let document = fleet.get("/auth/openapi.json", &[evil]).await;
    assert_eq!(document.json()["openapi"], "3.1.0");
    for answer in [keys, document] {
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(answer.headers.get("access-control-allow-credentials").is_none());
    }
}

#[tokio::test]
async fn the_address_of_a_visitor_is_nothing_that_the_visitor_says() {
    let seen = async |trusted: &[&str], forwarded: &str| {
        let fleet = start_behind(trusted).await;
        let headers =
            [("x-forwarded-for", forwarded), ("x-real-ip", "6.6.6.6"), ("forwarded", "for=6.6.6.6")];
        fleet.get("/auth/nonce", &headers).await;
        fleet.auth.memory().nonces[0].0.client.clone().unwrap().ip_address
    };
    assert_eq!(seen(&[], "6.6.6.6").await, "127.0.0.1");
    assert_eq!(seen(&["127.0.0.0/8"], "6.6.6.6, ::ffff:203.0.113.9").await, "203.0.113.9");
    assert_eq!(seen(&["10.0.0.0/8"], "6.6.6.6, 203.0.113.9").await, "127.0.0.1");
}
