//! Ending sessions: by their owner, and by what user and wallet tell on the broker.

use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use events::{
    Message,
    users::{StatusChanged, status_changed},
    wallets::{WalletUnlinked, unlinked},
};
use ids::WalletId;
use proto::{
    auth::v1::{ListRevocationsRequest, RevokeSessionsRequest, Session, ValidateSessionRequest},
    common::v1::Caller,
};
use rpc::{Code, Problem};

use crate::fleet::{Fleet, account, reason, start};

fn caller(session: &Session) -> Caller {
    Caller {
        user_id: session.user_id.clone(),
        session_id: session.session_id.clone(),
        account_id: session.account_id.clone(),
        roles: vec!["user".to_owned()],
    }
}

async fn is_active(fleet: &Fleet, session: &Session) -> bool {
    let request = ValidateSessionRequest { session_id: session.session_id.clone() };
    fleet.client("gateway").validate_session(request).await.unwrap().into_inner().active
}

async fn is_mirrored(fleet: &Fleet, session: &Session) -> bool {
    let client = redis::Client::open(fleet.redis_url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("session:blacklist:{}", session.session_id);
    redis::cmd("TTL").arg(key).query_async::<i64>(&mut redis).await.unwrap() > 800
}

async fn tell(fleet: &Fleet, message: Message) {
    let bus = bus::Bus::open(&fleet.vhost.secret(), "test");
    assert_eq!(bus.publish(&[message]).await, [Ok(())]);
}

#[tokio::test]
async fn one_ends_ones_own_sessions_only() {
    let fleet = start().await;
    let mine = fleet.sign_in(&PrivateKeySigner::random()).await.unwrap().session.unwrap();
    let theirs = fleet.sign_in(&PrivateKeySigner::random()).await.unwrap().session.unwrap();
    let mut gateway = fleet.client("gateway");
    let request = RevokeSessionsRequest {
        session_ids: vec![mine.session_id.clone(), theirs.session_id.clone()],
        reason: "signed_out".to_owned(),
        ..Default::default()
    };
    let nobody = gateway.revoke_sessions(request.clone()).await.unwrap_err();
    assert_eq!(Problem::from(&nobody).code, Code::Unauthenticated);

    for expected in [1, 0] {
        let acting = rpc::caller::acting(request.clone(), &caller(&mine));
        assert_eq!(gateway.revoke_sessions(acting).await.unwrap().into_inner().revoked, expected);
    }
    assert!(!is_active(&fleet, &mine).await);
    assert!(is_active(&fleet, &theirs).await);
    let listed = gateway.list_revocations(ListRevocationsRequest {}).await.unwrap().into_inner().session_ids;
    assert_eq!(listed, std::slice::from_ref(&mine.session_id));
    let told: i64 = sqlx::query_scalar("select count(*) from outbox where routing_key = 'session.revoked'")
        .fetch_one(&fleet.db.pool)
        .await
        .unwrap();
    assert_eq!(told, 1, "ending twice tells once");
    let within = Duration::from_secs(20);
    testkit::eventually(within, "mirrored", async || is_mirrored(&fleet, &mine).await.then_some(())).await;
    fleet.end().await;
}

#[tokio::test]
async fn whoever_holds_a_refresh_token_ends_its_session_and_no_other() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let (left, kept) = (fleet.sign_in(&signer).await.unwrap(), fleet.sign_in(&signer).await.unwrap());
    let (session, other) = (left.session.unwrap(), kept.session.unwrap());
    let token = left.tokens.unwrap().refresh_token;
    let mut gateway = fleet.client("gateway");
    let with = |refresh_token: &str| RevokeSessionsRequest {
        refresh_token: refresh_token.to_owned(),
        ..Default::default()
    };
    let beside = RevokeSessionsRequest { session_ids: vec![other.session_id.clone()], ..with(&token) };
    let refused = gateway.revoke_sessions(beside).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::BadInput);
    for (given, expected) in [("made-up", 0), (token.as_str(), 1), (token.as_str(), 0)] {
        let answer = gateway.revoke_sessions(with(given)).await.unwrap().into_inner();
        assert_eq!(answer.revoked, expected, "{given}");
    }
    assert!(!is_active(&fleet, &session).await);
    assert!(is_active(&fleet, &other).await);
    let refreshed = fleet.count("refresh_tokens").await;
    assert_eq!(refreshed, 2, "nothing is used up for it");
    fleet.end().await;
}

#[tokio::test]
async fn a_suspension_ends_the_sessions_and_the_next_sign_in_is_refused() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let session = fleet.sign_in(&signer).await.unwrap().session.unwrap();
    let fact = |status: &str, revision| StatusChanged {
        user_id: session.user_id.parse().unwrap(),
        status: status.to_owned(),
        revision,
    };
    tell(&fleet, status_changed(&fact("suspended", 1))).await;
    let within = Duration::from_secs(60);
    testkit::eventually(within, "ended", async || (!is_active(&fleet, &session).await).then_some(())).await;
    assert_eq!(reason(&fleet.sign_in(&signer).await.unwrap_err()), "USER_SUSPENDED");
    tell(&fleet, status_changed(&fact("active", 2))).await;
    testkit::eventually(within, "let in again", async || fleet.sign_in(&signer).await.ok()).await;
    fleet.end().await;
}

#[tokio::test]
async fn an_unlinked_account_loses_its_sessions_and_is_unknown_again() {
    let fleet = start().await;
    let signer = PrivateKeySigner::random();
    let session = fleet.sign_in(&signer).await.unwrap().session.unwrap();
    let identity = account(&signer).address.to_lower();
    let (user_id, wallet_id): (_, WalletId) = fleet.others.world().links.remove(&identity).unwrap();
    fleet.others.world().users.remove(&identity);
    let fact = WalletUnlinked {
        user_id,
        wallet_id,
        account_id: account(&signer),
        kind: "eoa".into(),
        is_primary: true,
    };
    tell(&fleet, unlinked(&fact)).await;
    let within = Duration::from_secs(60);
    testkit::eventually(within, "ended", async || (!is_active(&fleet, &session).await).then_some(())).await;
    let next = fleet.sign_in(&signer).await.unwrap();
    assert!(next.user_created);
    assert_ne!(next.session.unwrap().user_id, session.user_id);
    fleet.end().await;
}
