//! Signing keys that follow each other under load: at every moment each token's key is published.

use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use proto::auth::v1::{
    GetJwksRequest, RefreshSessionRequest, RotateSigningKeyRequest, RotateSigningKeyResponse,
};
use rpc::{Code, Problem};
use serde_json::Value;

use crate::fleet::{Fleet, start, start_many};

const WITHIN: Duration = Duration::from_secs(60);

async fn jwks(fleet: &Fleet) -> JwkSet {
    let answer = fleet.gateways()[0].get_jwks(GetJwksRequest {}).await.unwrap();
    serde_json::from_str(&answer.into_inner().jwks_json).unwrap()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// As the gateway checks it, with the keys that it has.
fn is_accepted(token: &str, jwks: &JwkSet) -> bool {
    let Some(key) = jwks.find(&kid(token)) else { return false };
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["vitrine"]);
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).is_ok()
}

async fn rotate(fleet: &Fleet, at_once: bool) -> RotateSigningKeyResponse {
    let request = RotateSigningKeyRequest { at_once };
    fleet.client("operator").rotate_signing_key(request).await.unwrap().into_inner()
}

/// Sessions that are refreshed in turn over all auths; each token is checked as soon as it is there, by the keys that were
/// fetched before it was asked for.
struct Load {
    refresh_tokens: Vec<String>,
    turn: usize,
}

impl Load {
    async fn begin(fleet: &Fleet) -> Load {
        let mut refresh_tokens = Vec::new();
        for _ in 0..4 {
            let answer = fleet.sign_in(&PrivateKeySigner::random()).await.unwrap();
            refresh_tokens.push(answer.tokens.unwrap().refresh_token);
        }
        Load { refresh_tokens, turn: 0 }
    }

    /// The access tokens of one refresh at each auth.
    async fn go_on(&mut self, fleet: &Fleet) -> Vec<String> {
        let mut access = Vec::new();
        for mut gateway in fleet.gateways() {
            self.turn += 1;
            let at = self.turn % self.refresh_tokens.len();
            let refresh_token = self.refresh_tokens[at].clone();
            let request = RefreshSessionRequest { refresh_token, client: None };
            let tokens = gateway.refresh_session(request).await.unwrap().into_inner().tokens.unwrap();
            self.refresh_tokens[at] = tokens.refresh_token;
            access.push(tokens.access_token);
        }
        access
    }
}

#[tokio::test]
async fn a_rotation_under_load_rejects_no_token_and_the_retired_key_is_refused() {
    let fleet = start_many(2).await;
    let mut load = Load::begin(&fleet).await;
    let old = kid(&load.go_on(&fleet).await[0]);
    let new = rotate(&fleet, false).await;
    assert_ne!(new.kid, old);
    let ahead = new.signs_from.unwrap().seconds - chrono::Utc::now().timestamp();
    assert!((500..=600).contains(&ahead), "published long enough before it signs: {ahead} s");
    // Whoever checks tokens fetched the keys by now, and fetches none for the rest of this test.
    let cached = jwks(&fleet).await;
    assert_eq!(cached.keys.len(), 2);
    let mut alive = Vec::new();
    for _ in 0..5 {
        let tokens = load.go_on(&fleet).await;
        assert!(tokens.iter().all(|token| kid(token) == old && is_accepted(token, &cached)));
        alive.extend(tokens);
    }

    // The ten minutes pass at once.
    sqlx::query(
        "update signing_keys set signs_from = clock_timestamp() + interval '2 seconds' where kid = $1",
    )
    .bind(&new.kid)
    .execute(&fleet.db.pool)
    .await
    .unwrap();
    testkit::eventually(WITHIN, "the new key signs at both", async || {
        let tokens = load.go_on(&fleet).await;
        assert!(tokens.iter().all(|token| is_accepted(token, &cached)), "a token was rejected");
        let is_new = tokens.iter().all(|token| kid(token) == new.kid);
        alive.extend(tokens);
        is_new.then_some(())
    })
    .await;
    for _ in 0..5 {
        let tokens = load.go_on(&fleet).await;
        assert!(tokens.iter().all(|token| kid(token) == new.kid && is_accepted(token, &cached)));
    }
    // What the old key signed is good as long as it lives, with keys that are fetched only now too.
    let fresh = jwks(&fleet).await;
    assert!(alive.iter().all(|token| is_accepted(token, &fresh)));

    // And then its key is refused.
    sqlx::query("update signing_keys set retired_at = now() where kid = $1")
        .bind(&old)
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    let fresh = jwks(&fleet).await;
    assert_eq!(fresh.keys.len(), 1);
    assert!(alive.iter().all(|token| is_accepted(token, &fresh) == (kid(token) == new.kid)));
    fleet.end().await;
}

#[tokio::test]
async fn a_key_that_is_not_to_be_believed_is_gone_at_once() {
    let fleet = start_many(2).await;
    let mut load = Load::begin(&fleet).await;
    let before = load.go_on(&fleet).await;
    let waiting = rotate(&fleet, false).await;
    let new = rotate(&fleet, true).await;
    assert_ne!(new.kid, waiting.kid);
    let keys = jwks(&fleet).await;
    assert_eq!(keys.keys.len(), 1);
    assert!(before.iter().all(|token| !is_accepted(token, &keys)));
    testkit::eventually(WITHIN, "the other auth signs with it too", async || {
        load.go_on(&fleet).await.iter().all(|token| is_accepted(token, &keys)).then_some(())
    })
    .await;
    fleet.end().await;
}

#[tokio::test]
async fn a_key_that_is_old_is_replaced_by_one_however_many_auths_look() {
    let fleet = start_many(3).await;
    let mut load = Load::begin(&fleet).await;
    let old = kid(&load.go_on(&fleet).await[0]);
    sqlx::query("update signing_keys set signs_from = signs_from - interval '30 days'")
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    testkit::eventually(WITHIN, "a second key", async || {
        (fleet.count("signing_keys").await == 2).then_some(())
    })
    .await;
    let keys = jwks(&fleet).await;
    for _ in 0..3 {
        let tokens = load.go_on(&fleet).await;
        assert!(tokens.iter().all(|token| kid(token) == old && is_accepted(token, &keys)));
    }
    assert_eq!(fleet.count("signing_keys").await, 2);
    fleet.end().await;
}

#[tokio::test]
async fn only_an_operator_rotates_keys() {
    let fleet = start().await;
    for peer in ["gateway", "wallet", "user"] {
        let refused = fleet.client(peer).rotate_signing_key(RotateSigningKeyRequest::default()).await;
        assert_eq!(Problem::from(&refused.unwrap_err()).code, Code::Forbidden);
    }
    assert_eq!(fleet.count("signing_keys").await, 1);
    fleet.end().await;
}

#[tokio::test]
async fn whoever_would_read_a_new_key_after_it_signs_does_not_start() {
    let fleet = start().await;
    for seconds in [0, 301] {
        let why = fleet.why_not_started(|config| config.key_reload_secs = seconds).await;
        assert_eq!(why, format!("key_reload_secs: it must be 1 to 300, not {seconds}"));
    }
    fleet.end().await;
}
