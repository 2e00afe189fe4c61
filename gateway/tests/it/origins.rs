//! What pages of somebody else can make a browser send, and what they may read of the answer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fleet::{Fleet, ORIGIN, start};

/// Everything that may change something.
fn changes() -> [(&'static str, Value); 4] {
    [
        ("/graphql", json!({ "query": "mutation { signOut }" })),
        ("/auth/verify", json!({ "message": "good", "signature": "0x00" })),
        ("/auth/refresh", json!({})),
        ("/auth/logout", json!({})),
    ]
}

async fn refused(fleet: &Fleet, cookie: &str, extra: &[(&str, &str)]) {
    let mut headers = vec![("cookie", cookie)];
    headers.extend_from_slice(extra);
    for (path, body) in changes() {
        let before = fleet.auth.memory().changes;
        let answer = fleet.post(path, &headers, &body).await;
        assert_eq!(answer.status, 403, "{path} {extra:?}: {answer:?}");
        let said = answer.json();
        let said = if path == "/graphql" { &said["errors"][0]["extensions"] } else { &said };
        assert_eq!(said["code"], "FORBIDDEN", "{path}");
        assert_eq!(said["requestId"], answer.header("x-request-id"), "{path}");
        assert!(answer.headers.get("set-cookie").is_none(), "{path} {extra:?}");
        assert_eq!(fleet.auth.memory().changes, before, "{path} {extra:?}");
    }
}

#[tokio::test]
async fn no_page_of_somebody_else_changes_anything() {
    let fleet = start().await;
    let cookie = fleet.sign_in_with_cookies().await.cookies();
    for origin in
        ["https://evil.example", "null", "http://localhost:8081.evil.example", "http://localhost:80810"]
    {
        refused(&fleet, &cookie, &[("origin", origin)]).await;
        refused(&fleet, &cookie, &[("origin", origin), ("x-requested-with", "1")]).await;
        refused(&fleet, &cookie, &[("origin", origin), ("sec-fetch-site", "same-origin")]).await;
    }
    refused(&fleet, &cookie, &[]).await;
    refused(&fleet, &cookie, &[("sec-fetch-site", "cross-site")]).await;
    refused(&fleet, &cookie, &[("sec-fetch-site", "cross-site"), ("x-requested-with", "1")]).await;
    assert!(fleet.auth.memory().ended.is_empty());

    // A form has no way to say JSON, and a link cannot say a mutation.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for (path, body) in changes() {
            let headers = [("cookie", cookie.as_str()), ("origin", ORIGIN), ("content-type", kind)];
            let answer = fleet.send(Method::POST, path, &headers, Some(body.to_string())).await;
            assert_eq!(answer.status, 415, "{path} {kind}");
        }
    }
    let link = "/graphql?query=mutation%20%7B%20signOut%20%7D";
    let answer = fleet.get(link, &[("cookie", &cookie), ("sec-fetch-site", "same-origin")]).await;
    assert_eq!(answer.status, 405);
    assert!(fleet.auth.memory().ended.is_empty());
}

#[tokio::test]
async fn pages_of_ours_and_clients_that_prove_themselves_are_let_in() {
    for proof in [
        ("origin", ORIGIN),
        ("origin", "https://app.example"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("x-requested-with", "XMLHttpRequest"),
        ("graphql-require-preflight", "1"),
    ] {
        let fleet = start().await;
        let cookie = fleet.sign_in_with_cookies().await.cookies();
        let answer = fleet.graphql(&[("cookie", &cookie), proof], "mutation { signOut }").await;
        assert_eq!(answer.json()["data"]["signOut"], json!(true), "{proof:?}: {answer:?}");
        assert_eq!(fleet.auth.memory().ended.len(), 1, "{proof:?}");
    }
}

#[tokio::test]
async fn an_answer_is_shared_with_the_origins_of_the_list_and_no_other() {
    let fleet = start().await;
    for path in ["/graphql", "/auth/verify", "/auth/refresh"] {
        let ask = async |origin: &str| {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "content-type"),
            ];
            fleet.send(Method::OPTIONS, path, &headers, None).await
        };
        let ours = ask("https://app.example").await;
        assert_eq!(ours.header("access-control-allow-origin"), "https://app.example");
        assert_eq!(ours.header("access-control-allow-credentials"), "true");
        assert!(ours.header("vary").to_lowercase().contains("origin"));
        for evil in ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"]
        {
            let theirs = ask(evil).await;
            assert!(theirs.headers.get("access-control-allow-origin").is_none(), "{path} {evil}");
            assert!(theirs.header("vary").to_lowercase().contains("origin"), "{path} {evil}");
        }
    }
}
