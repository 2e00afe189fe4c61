//! Signing in: once a nonce, for this site only, whoever else is down.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::signers::local::PrivateKeySigner;
use events::wallets::{WalletUnlinked, unlinked};
use futures::future::join_all;
use ids::{UserId, WalletId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use proto::auth::v1::{GetJwksRequest, ValidateSessionRequest};
use rpc::{Code, Problem};
use tokio::sync::Semaphore;

use crate::{
    fleet::{Fleet, account, message, reason, signed, start, start_with_redis},
    world::CHAIN,
};

#[tokio::test]
async fn a_sign_in_opens_a_session_that_the_token_proves() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let nonce = fleet.nonce().await;
    assert!(nonce.nonce.len() >= 22 && nonce.nonce.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!((nonce.domain.as_str(), nonce.uri.as_str()), ("localhost:8081", "http://localhost:8081"));
    assert_eq!(nonce.chain_ids, [format!("eip155:{CHAIN}")]);

    let answer = fleet.verify(signed(&signer, &message(&signer, &nonce))).await.unwrap();
    let (session, tokens) = (answer.session.unwrap(), answer.tokens.unwrap());
    assert!(answer.user_created);
    assert_eq!(session.account_id, account(&signer).to_lower());
    assert_eq!((session.ip_address.as_str(), session.user_agent.as_str()), ("203.0.113.7", "testagent"));

    let mut gateway = fleet.client("gateway");
    let jwks = gateway.get_jwks(GetJwksRequest {}).await.unwrap().into_inner().jwks_json;
    let jwks: JwkSet = serde_json::from_str(&jwks).unwrap();
    let header = jsonwebtoken::decode_header(&tokens.access_token).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::RS256, Some("at+jwt")));
    let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["vitrine"]);
    validation.set_issuer(&["http://localhost:8081"]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    let claims =
        jsonwebtoken::decode::<serde_json::Value>(&tokens.access_token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], session.user_id.as_str());
    assert_eq!(claims["sid"], session.session_id.as_str());
    assert_eq!(claims["acc"], account(&signer).to_string());
    assert_eq!(claims["roles"], serde_json::json!(["user", "creator"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);

    let request = ValidateSessionRequest { session_id: session.session_id.clone() };
    let valid = gateway.validate_session(request).await.unwrap().into_inner();
    assert!(valid.active);
    assert_eq!(valid.roles, ["user", "creator"]);
    assert_eq!(valid.session.unwrap(), session);

    // At rest there is only a hash of the refresh token.
    let stored: String =
        sqlx::query_scalar("select token_hash from refresh_tokens").fetch_one(&fleet.db.pool).await.unwrap();
    assert_ne!(stored, tokens.refresh_token);
    assert_eq!((stored.len(), tokens.refresh_token.len()), (64, 43));
    assert_eq!(fleet.results().await, ["success"]);
    for queue in ["user.auth.logged_in", "wallet.auth.logged_in", "subs.auth.logged_in"] {
        let within = Duration::from_secs(60);
        testkit::eventually(within, queue, async || (fleet.vhost.depth(queue).await == 1).then_some(()))
            .await;
    }
    fleet.end().await;
}

#[tokio::test]
async fn twenty_verifications_of_one_message_at_once_open_one_session() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let nonce = fleet.nonce().await;
    let request = signed(&signer, &message(&signer, &nonce));
    let answers = join_all((0..20).map(|_| fleet.verify(request.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(
        answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .all(|status| reason(status) == "NONCE_USED")
    );
    assert_eq!(fleet.count("sessions").await, 1);
    assert_eq!(fleet.count("outbox").await, 1);
    let results = fleet.results().await;
    assert_eq!(results.len(), 20);
    assert_eq!(results.iter().filter(|result| *result == "success").count(), 1);
    fleet.end().await;
}

/// A sign-in whose message was changed before it was signed.
async fn changed(fleet: &Fleet, from: &str, to: &str) -> String {
    let signer = PrivateKeySigner::random();
    let nonce = fleet.nonce().await;
    let text = message(&signer, &nonce);
    let text = match from {
        "Issued At: " => {
            let (head, _) = text.split_once(from).unwrap();
            format!("{head}{to}")
        }
        _ => text.replacen(from, to, 1),
    };
    reason(&fleet.verify(signed(&signer, &text)).await.unwrap_err())
}

#[tokio::test]
async fn each_check_refuses_with_its_own_reason_and_leaves_its_record() {
    let fleet = start().await;
    let at = |seconds: i64| (chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
    let cases = [
        ("localhost:8081 wants", "evil.com wants".to_owned(), "DOMAIN_MISMATCH"),
        ("URI: http://localhost:8081", "URI: http://evil.com".to_owned(), "URI_MISMATCH"),
        ("Chain ID: 31337", "Chain ID: 5".to_owned(), "CHAIN_DISABLED"),
        ("Chain ID: 31337", "Chain ID: 1".to_owned(), "CHAIN_DISABLED"),
        ("Version: 1", "Version: 2".to_owned(), "MESSAGE_MALFORMED"),
        ("Nonce: ", "Nonce: x".to_owned(), "NONCE_UNKNOWN"),
        ("Issued At: ", format!("Issued At: {}", at(-700)), "MESSAGE_EXPIRED"),
        ("Issued At: ", format!("Issued At: {}", at(120)), "MESSAGE_NOT_YET_VALID"),
        ("Issued At: ", format!("Issued At: {}\nExpiration Time: {}", at(0), at(-1)), "MESSAGE_EXPIRED"),
        ("Issued At: ", format!("Issued At: {}\nNot Before: {}", at(0), at(30)), "MESSAGE_NOT_YET_VALID"),
    ];
    let mut expected = Vec::new();
    for (from, to, reason) in cases {
        assert_eq!(changed(&fleet, from, &to).await, reason, "{to}");
        expected.push(reason.to_lowercase());
    }

    // Signed by somebody else, or over other bytes than those received.
    let (signer, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let text = message(&signer, &fleet.nonce().await);
    assert_eq!(reason(&fleet.verify(signed(&other, &text)).await.unwrap_err()), "SIGNATURE_INVALID");
    // The nonce is gone, whatever the result was.
    assert_eq!(reason(&fleet.verify(signed(&signer, &text)).await.unwrap_err()), "NONCE_USED");
    let nonce = fleet.nonce().await;
    sqlx::query("update auth_nonces set expires_at = now() where not used")
        .execute(&fleet.db.pool)
        .await
        .unwrap();
    let late = signed(&signer, &message(&signer, &nonce));
    assert_eq!(reason(&fleet.verify(late).await.unwrap_err()), "NONCE_EXPIRED");
    expected.extend(["signature_invalid", "nonce_used", "nonce_expired"].map(str::to_owned));

    assert_eq!(fleet.results().await, expected);
    assert_eq!((fleet.count("sessions").await, fleet.count("outbox").await), (0, 0));
    assert_eq!(fleet.others.world().ensured, 0, "nobody else was asked about any of them");
    fleet.end().await;
}

#[tokio::test]
async fn a_known_account_signs_in_while_the_others_are_down_and_an_unknown_one_is_told_to_retry() {
    let fleet = start().await;
    let known = PrivateKeySigner::random();
    let first = fleet.sign_in(&known).await.unwrap().session.unwrap();
    {
        let mut world = fleet.others.world();
        (world.is_user_down, world.is_wallet_down, world.is_registry_down) = (true, true, true);
    }
    let second = fleet.sign_in(&known).await.unwrap();
    assert_eq!(second.session.unwrap().user_id, first.user_id);
    assert!(!second.user_created);

    let problem = Problem::from(&fleet.sign_in(&PrivateKeySigner::random()).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
    assert!(problem.retry_after.is_some());
    assert_eq!(fleet.results().await, ["success", "success", "unavailable"]);
    assert_eq!(fleet.count("sessions").await, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_linked_account_signs_into_the_user_that_owns_it() {
    let fleet = start().await;
    let (signer, owner) = (PrivateKeySigner::random(), UserId::new());
    fleet.others.world().links.insert(account(&signer).address.to_lower(), (owner, WalletId::new()));
    let answer = fleet.sign_in(&signer).await.unwrap();
    assert_eq!(answer.session.unwrap().user_id, owner.to_string());
    assert!(!answer.user_created);
    assert_eq!(fleet.others.world().ensured, 0, "no second user was made");
    fleet.end().await;
}

async fn tell_unlinked(fleet: &Fleet, signer: &PrivateKeySigner, user_id: UserId, wallet_id: WalletId) {
    let fact = WalletUnlinked {
        user_id,
        wallet_id,
        account_id: account(signer),
        kind: "eoa".to_owned(),
        is_primary: false,
    };
    let bus = bus::Bus::open(&fleet.vhost.secret(), "test");
    assert_eq!(bus.publish(&[unlinked(&fact)]).await, [Ok(())]);
    let known = "select count(*) from account_users where identity = $1 and user_id is null";
    testkit::eventually(Duration::from_secs(60), "the end of the link is known", async || {
        let identity = account(signer).address.to_lower();
        let ended: i64 = sqlx::query_scalar(known).bind(identity).fetch_one(&fleet.db.pool).await.unwrap();
        (ended == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_unlinked_account_never_gets_back_to_its_former_owner_by_a_service_that_lags() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let identity = account(&signer).address.to_lower();
    let first = fleet.sign_in(&signer).await.unwrap().session.unwrap();
    let (former, wallet_id) = fleet.others.world().links.remove(&identity).unwrap();
    tell_unlinked(&fleet, &signer, former, wallet_id).await;

    // user has not heard of it, and would name the one whose account it was.
    let problem = Problem::from(&fleet.sign_in(&signer).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
    assert!(fleet.others.world().links.is_empty(), "and nobody is told to link it again");

    fleet.others.world().users.remove(&identity);
    let next = fleet.sign_in(&signer).await.unwrap();
    assert!(next.user_created);
    let next = next.session.unwrap();
    assert_ne!(next.user_id, first.user_id);
    // Known again: it needs nobody.
    fleet.others.world().is_wallet_down = true;
    assert_eq!(fleet.sign_in(&signer).await.unwrap().session.unwrap().user_id, next.user_id);
    fleet.end().await;
}

#[tokio::test]
async fn an_account_that_changed_hands_signs_into_the_new_owner_whom_wallet_names() {
    let fleet = start().await;
    let (signer, owner) = (PrivateKeySigner::random(), UserId::new());
    let identity = account(&signer).address.to_lower();
    fleet.sign_in(&signer).await.unwrap();
    let (former, wallet_id) = fleet.others.world().links.remove(&identity).unwrap();
    tell_unlinked(&fleet, &signer, former, wallet_id).await;
    fleet.others.world().links.insert(identity, (owner, WalletId::new()));
    let answer = fleet.sign_in(&signer).await.unwrap();
    assert_eq!(answer.session.unwrap().user_id, owner.to_string());
    // While the authority is away nobody is let in by what was.
    fleet.others.world().is_wallet_down = true;
    assert_eq!(reason(&fleet.sign_in(&signer).await.unwrap_err()), "UNAVAILABLE");
    fleet.end().await;
}

#[tokio::test]
async fn an_answer_that_is_overtaken_by_the_end_of_the_link_opens_no_session() {
    let fleet = start().await;
    let (signer, owner, wallet_id) = (PrivateKeySigner::random(), UserId::new(), WalletId::new());
    let identity = account(&signer).address.to_lower();
    let hold = Arc::new(Semaphore::new(0));
    {
        let mut world = fleet.others.world();
        world.links.insert(identity.clone(), (owner, wallet_id));
        world.hold = Some(Arc::clone(&hold));
    }
    // Wallet has said whose it is, and the answer is on its way when the link ends.
    let overtaken = async {
        let within = Duration::from_secs(20);
        let is_held = async || (fleet.others.world().held == 1).then_some(());
        testkit::eventually(within, "wallet was asked", is_held).await;
        let asked = Instant::now();
        let end = "insert into account_users (identity, account_id, type, wallet_id, former_user_id)
                   values ($1, $2, 'eoa', $3, $4)";
        let ending = sqlx::query(end).bind(&identity).bind(account(&signer).to_lower());
        ending.bind(wallet_id.0).bind(owner.0).execute(&fleet.db.pool).await.unwrap();
        hold.add_permits(1);
        asked.elapsed()
    };
    let (answer, held_for) = tokio::join!(fleet.sign_in(&signer), overtaken);
    assert!(held_for < Duration::from_secs(1), "wallet answered in time: {held_for:?}");
    assert_eq!(reason(&answer.unwrap_err()), "UNAVAILABLE");
    assert_eq!((fleet.count("sessions").await, fleet.count("outbox").await), (0, 0));
    fleet.end().await;
}

#[tokio::test]
async fn a_link_that_cannot_be_made_now_stops_no_sign_in() {
    let fleet = start().await;
    fleet.others.world().is_linking_down = true;
    let signer = PrivateKeySigner::random();
    let first = fleet.sign_in(&signer).await.unwrap();
    assert!(first.user_created);
    let second = fleet.sign_in(&signer).await.unwrap();
    assert_eq!(second.session.unwrap().user_id, first.session.unwrap().user_id);
    assert_eq!(fleet.count("outbox").await, 2);
    fleet.end().await;
}

#[tokio::test]
async fn a_suspended_user_is_refused() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let user_id = UserId::new();
    {
        let mut world = fleet.others.world();
        world.users.insert(account(&signer).address.to_lower(), user_id);
        world.suspended.push(user_id);
    }
    let problem = Problem::from(&fleet.sign_in(&signer).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::Forbidden, "USER_SUSPENDED"));
    assert_eq!(fleet.results().await, ["user_suspended"]);
    assert_eq!(fleet.count("sessions").await, 0);
    fleet.end().await;
}

#[tokio::test]
async fn without_redis_everything_works() {
    let fleet = start_with_redis("redis://127.0.0.1:1".to_owned()).await;
    assert!(fleet.sign_in(&PrivateKeySigner::random()).await.is_ok());
    fleet.end().await;
}

#[tokio::test]
async fn only_the_gateway_may_knock() {
    let fleet = start().await;
    let refused = fleet.client("catalog").get_jwks(GetJwksRequest {}).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::Forbidden);
    let mut request = signed(&PrivateKeySigner::random(), "x");
    request.client.as_mut().unwrap().ip_address = "1.2.3".to_owned();
    let problem = Problem::from(&fleet.verify(request).await.unwrap_err());
    assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "client.ip_address"));
    fleet.end().await;
}
