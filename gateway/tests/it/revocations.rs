//! A session that ended is over everywhere within seconds, however the gateway comes to know of it.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use events::auth::{SessionRevoked, session_revoked};
use ids::UserId;
use testkit::eventually;

use crate::{
    auth_door::AuthDoor,
    fleet::{Fleet, launch, start},
};

const SOON: Duration = Duration::from_secs(5);

async fn watched(fleet: &Fleet) {
    eventually(SOON, "the log is followed", async || fleet.deliveries.are_watched().then_some(())).await;
}

async fn ends(fleet: &Fleet, token: &str, how: &str) {
    let bearer = format!("Bearer {token}");
    eventually(SOON, how, async || {
        let answer = fleet.graphql(&[("authorization", &bearer)], "{ viewer { roles } }").await;
        (answer.status == 401).then_some(())
    })
    .await;
}

async fn is_good(fleet: &Fleet, token: &str) {
    let bearer = format!("Bearer {token}");
    let answer = fleet.graphql(&[("authorization", &bearer)], "{ viewer { roles } }").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn the_delivery_log_tells_of_it() {
    let fleet = start().await;
    let user = UserId::new();
    let (session, token) = fleet.auth.session(user, 900);
    let (_, other) = fleet.auth.session(user, 900);
    is_good(&fleet, &token).await;
    watched(&fleet).await;
    let until = Utc::now() + TimeDelta::minutes(15);
    let fact = SessionRevoked { session_ids: vec![session], user_id: user, reason: "revoked".into(), until };
    fleet.deliveries.tell(&session_revoked(&fact, uuid::Uuid::now_v7())).await;
    ends(&fleet, &token, "revoked by event").await;
    is_good(&fleet, &other).await;
}

#[tokio::test]
async fn auth_tells_of_it_after_redis_lost_everything() {
    let fleet = start().await;
    let (session, token) = fleet.auth.session(UserId::new(), 900);
    is_good(&fleet, &token).await;
    watched(&fleet).await;
    // Ended while the log could not say so.
    fleet.auth.memory().ended.push(session);
    fleet.deliveries.lose().await;
    ends(&fleet, &token, "revoked by the whole set").await;
}

#[tokio::test]
async fn a_gateway_that_starts_knows_of_it() {
    let auth = AuthDoor::default();
    let (session, token) = auth.session(UserId::new(), 900);
    auth.memory().ended.push(session);
    let fleet = launch(auth, &[]).await;
    let bearer = format!("Bearer {token}");
    // Until it has heard of it, it lets nobody in.
    let status = eventually(Duration::from_secs(20), "it has heard from auth", async || {
        let answer = fleet.graphql(&[("authorization", &bearer)], "{ viewer { roles } }").await;
        (answer.status != 503).then_some(answer.status)
    });
    assert_eq!(status.await, 401);
}
