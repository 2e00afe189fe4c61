//! When auth is asked for its keys, and which keys are believed meanwhile. Time is what the test says it is.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use super::*;

/// Auth's side: the ids that it publishes, or nothing while it is away.
#[derive(Default)]
struct Auth {
    published: Mutex<Option<Vec<&'static str>>>,
    asked: AtomicUsize,
}

impl Auth {
    fn publish(&self, ids: &[&'static str]) {
        *self.published.lock().unwrap() = Some(ids.to_vec());
    }

    fn go_away(&self) {
        *self.published.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn keys() -> (Arc<Auth>, Keys) {
    let auth = Arc::new(Auth::default());
    let source = auth.clone();
    let keys = Keys::new(Box::new(move || {
        source.asked.fetch_add(1, Ordering::SeqCst);
        let ids = source.published.lock().unwrap().clone();
        Box::pin(async move {
            // Others get their turn while the answer is on its way.
            tokio::task::yield_now().await;
            ids.map(|ids| set(&ids)).ok_or_else(|| Status::unavailable("away"))
        })
    }));
    (auth, keys)
}

fn set(ids: &[&str]) -> String {
    let key = |id| json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": "qqqq", "e": "AQAB" });
    json!({ "keys": ids.iter().map(key).collect::<Vec<_>>() }).to_string()
}

#[tokio::test]
async fn a_hundred_tokens_of_an_unknown_key_are_one_question_in_thirty_seconds() {
    let (auth, keys) = keys();
    auth.publish(&["a"]);
    let start = Instant::now();
    let found = futures::future::join_all((0..100).map(|_| keys.find_at("a", start))).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(auth.asked(), 1);
    for n in 0..100 {
        let now = start + Duration::from_millis(299 * n);
        assert!(keys.find_at(&format!("made-up-{n}"), now).await.err() == Some(Missing::Unknown));
    }
    assert_eq!(auth.asked(), 2);
    auth.publish(&["a", "b"]);
    assert!(keys.find_at("b", start + Duration::from_secs(31)).await.is_ok());
    assert_eq!(auth.asked(), 3);
}

#[tokio::test]
async fn auth_that_is_away_costs_nobody_their_session_and_is_not_hammered() {
    let (auth, keys) = keys();
    auth.publish(&["a"]);
    let start = Instant::now();
    assert!(keys.fetch(start).await);
    auth.go_away();
    for minute in [1, 5, 30, 59] {
        let now = start + Duration::from_secs(minute * 60);
        assert!(!keys.fetch(now).await);
        assert!(keys.find_at("a", now).await.is_ok(), "after {minute} minutes");
    }
    let asked = auth.asked();
    for _ in 0..100 {
        assert!(keys.find_at("b", start).await.err() == Some(Missing::Unasked));
    }
    assert_eq!(auth.asked(), asked + 1);
    assert!(keys.find_at("a", start + KEPT).await.is_err(), "an hour is the end of it");
}

#[tokio::test]
async fn a_retired_key_goes_with_the_next_round() {
    let (auth, keys) = keys();
    auth.publish(&["a", "b"]);
    let start = Instant::now();
    assert!(keys.fetch(start).await);
    auth.publish(&["b"]);
    assert!(keys.fetch(start + ROUND).await);
    assert!(keys.find_at("a", start + ROUND).await.err() == Some(Missing::Unknown));
    assert!(keys.find_at("b", start + ROUND).await.is_ok());
    assert!(ROUND <= Duration::from_secs(300), "services count on five minutes at most");
}

#[tokio::test]
async fn what_is_no_set_of_rsa_keys_changes_nothing() {
    let (auth, keys) = keys();
    auth.publish(&["a"]);
    let start = Instant::now();
    assert!(keys.fetch(start).await);
    auth.publish(&[]);
    assert!(!keys.fetch(start).await, "a set without keys would sign everybody out");
    assert!(keys.find_at("a", start).await.is_ok());

    let secret = r#"{"keys":[{"kty":"oct","kid":"x","k":"c2VjcmV0"},{"kty":"RSA","n":"qqqq","e":"AQAB"}]}"#;
    assert!(read(secret).is_err(), "a shared secret is no public key, and a key needs a name");
    assert!(read("nonsense").is_err());
    assert!(read(&set(&["../../etc/passwd"])).is_err());
}
