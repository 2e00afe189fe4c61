//! Keys that follow each other.

use std::collections::BTreeSet;

use super::*;
use crate::MIGRATOR;

const MONTH: TimeDelta = TimeDelta::days(30);

async fn ring(db: &PgPool) -> Keyring {
    Keyring::open(db.clone(), MONTH).await.unwrap()
}

/// As if the newest key had been made so long ago.
async fn age(db: &PgPool, by: &str) {
    let sql = "update signing_keys set signs_from = signs_from - $1::text::interval where retired_at is null";
    sqlx::query(sql).bind(by).execute(db).await.unwrap();
}

fn kid(ring: &Keyring, time: DateTime<Utc>) -> String {
    ring.at(time, time + ACCESS_LIFE).unwrap().kid
}

#[tokio::test]
async fn four_processes_that_start_at_once_sign_with_one_key() {
    let db = testkit::database(&MIGRATOR).await;
    let rings = futures::future::join_all((0..4).map(|_| ring(&db.pool))).await;
    let now = Utc::now();
    let kids: BTreeSet<String> = rings.iter().map(|ring| kid(ring, now)).collect();
    assert_eq!(kids.len(), 1);
    let public = store::list_public_keys(&db.pool).await.unwrap();
    assert_eq!(public.len(), 1);
    assert_eq!(public[0]["kid"].as_str(), kids.first().map(String::as_str));
    assert_eq!((public[0]["alg"].as_str(), public[0]["use"].as_str()), (Some("RS256"), Some("sig")));
    assert!(public[0].get("d").is_none(), "the private half stays here");
}

#[tokio::test]
async fn an_old_key_is_replaced_once_however_many_look_and_each_signs_in_its_time() {
    let db = testkit::database(&MIGRATOR).await;
    let rings = futures::future::join_all((0..4).map(|_| ring(&db.pool))).await;
    let old = kid(&rings[0], Utc::now());
    age(&db.pool, "29 days").await;
    futures::future::join_all(rings.iter().map(Keyring::turn)).await;
    assert_eq!(store::list_public_keys(&db.pool).await.unwrap().len(), 1, "a day too early");

    age(&db.pool, "1 day").await;
    for turn in futures::future::join_all(rings.iter().map(Keyring::turn)).await {
        turn.unwrap();
    }
    let published = store::list_public_keys(&db.pool).await.unwrap();
    assert_eq!(published.len(), 2);
    // Those that looked first read the new key at their next turn.
    for ring in &rings {
        ring.turn().await.unwrap();
        let now = Utc::now();
        assert_eq!(kid(ring, now), old);
        assert_eq!(kid(ring, now + PUBLISHED_BEFORE - TimeDelta::seconds(30)), old);
        assert_ne!(kid(ring, now + PUBLISHED_BEFORE), old);
        assert_ne!(kid(ring, now + PUBLISHED_BEFORE + MONTH), old);
    }
    // The last token of the old key dies before the key does.
    let ends: DateTime<Utc> = sqlx::query_scalar("select retired_at from signing_keys where kid = $1")
        .bind(&old)
        .fetch_one(&db.pool)
        .await
        .unwrap();
    let begins: DateTime<Utc> =
        sqlx::query_scalar("select max(signs_from) from signing_keys").fetch_one(&db.pool).await.unwrap();
    assert!(ends >= begins + ACCESS_LIFE + CLOCK_SKEW);
}

#[tokio::test]
async fn a_rotation_on_the_heels_of_another_is_the_same_one() {
    let db = testkit::database(&MIGRATOR).await;
    let ring = ring(&db.pool).await;
    let first = ring.rotate(false).await.unwrap();
    assert_eq!(ring.rotate(false).await.unwrap(), first);
    assert_eq!(store::list_public_keys(&db.pool).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_rotation_at_once_ends_every_other_key_also_the_one_that_waits() {
    let db = testkit::database(&MIGRATOR).await;
    let ring = ring(&db.pool).await;
    ring.rotate(false).await.unwrap();
    let new = ring.rotate(true).await.unwrap();
    let published = store::list_public_keys(&db.pool).await.unwrap();
    assert_eq!(published.len(), 1);
    assert_eq!(published[0]["kid"].as_str(), Some(new.kid.as_str()));
    assert_eq!(kid(&ring, new.signs_from), new.kid);
    // A process whose clock is behind has nothing else to sign with.
    assert_eq!(kid(&ring, new.signs_from - TimeDelta::minutes(1)), new.kid);
}

#[tokio::test]
async fn a_key_that_ends_before_the_token_does_not_sign_it() {
    let db = testkit::database(&MIGRATOR).await;
    let ring = ring(&db.pool).await;
    let old = kid(&ring, Utc::now());
    let new = ring.rotate(false).await.unwrap().kid;
    let end = Utc::now() + TimeDelta::minutes(10);
    sqlx::query("update signing_keys set retired_at = $2 where kid = $1")
        .bind(&old)
        .bind(end)
        .execute(&db.pool)
        .await
        .unwrap();
    ring.turn().await.unwrap();
    assert_eq!(ring.at(Utc::now(), end - TimeDelta::seconds(1)).unwrap().kid, old);
    assert_eq!(kid(&ring, Utc::now()), new);
}
