//! One signed message opens one session: over four auths at once, and whatever Redis forgets or a restart loses.

use std::{collections::BTreeSet, time::Duration};

use alloy::signers::local::PrivateKeySigner;
use futures::future::join_all;
use proto::auth::v1::VerifySiweRequest;
use tonic::Request;

use crate::fleet::{Fleet, message, reason, signed, start_many};

const AT_ONCE: usize = 200;

/// All of them at once, in turn to each auth; the number that were let in. The others are told that the nonce is used.
async fn hammer(fleet: &Fleet, request: &VerifySiweRequest) -> usize {
    let doors = fleet.gateways();
    let verify = async |turn: usize| {
        let mut asked = Request::new(request.clone());
        // The machine may be busy; how long it takes is not what is tested.
        asked.set_timeout(Duration::from_secs(30));
        doors[turn % doors.len()].clone().verify_siwe(asked).await.map(|_| ())
    };
    let answers = join_all((0..AT_ONCE).map(verify)).await;
    let refusals: BTreeSet<String> =
        answers.iter().filter_map(|answer| answer.as_ref().err()).map(reason).collect();
    assert_eq!(refusals.into_iter().collect::<Vec<_>>(), ["NONCE_USED"]);
    answers.iter().filter(|answer| answer.is_ok()).count()
}

async fn successes(fleet: &Fleet) -> usize {
    fleet.results().await.iter().filter(|result| *result == "success").count()
}

#[tokio::test]
async fn of_two_hundred_verifications_over_four_auths_one_opens_a_session() {
    let mut fleet = start_many(4).await;
    let signer = PrivateKeySigner::random();
    let fresh = async |fleet: &Fleet| signed(&signer, &message(&signer, &fleet.nonce().await));

    let first = fresh(&fleet).await;
    assert_eq!(hammer(&fleet, &first).await, 1);
    assert_eq!((fleet.count("sessions").await, successes(&fleet).await), (1, 1));
    assert_eq!(fleet.results().await.len(), AT_ONCE, "each attempt has its row");

    // Redis forgets between the nonce and its use: it is the mirror, not the truth.
    let second = fresh(&fleet).await;
    fleet.flush_redis().await;
    assert_eq!(hammer(&fleet, &second).await, 1);
    fleet.flush_redis().await;
    assert_eq!(hammer(&fleet, &second).await, 0, "a flush gives no nonce back");
    assert_eq!((fleet.count("sessions").await, successes(&fleet).await), (2, 2));

    // A nonce that was issued before a restart is good after it, and one that was used stays used.
    let third = fresh(&fleet).await;
    fleet.restart().await;
    assert_eq!(hammer(&fleet, &third).await, 1);
    assert_eq!(hammer(&fleet, &first).await, 0);
    assert_eq!((fleet.count("sessions").await, successes(&fleet).await), (3, 3));
    let told: i64 = sqlx::query_scalar("select count(*) from outbox where routing_key = 'user.logged_in'")
        .fetch_one(&fleet.db.pool)
        .await
        .unwrap();
    assert_eq!(told, 3);
    fleet.end().await;
}
