//! Collections that name nobody, and what counts as figures. The catalog itself is asked in tests/it/stats.rs.

use chrono::{DateTime, Utc};

use super::*;
use crate::{MIGRATOR, ensure_user::ensure_user, model::Account};

async fn users(db: &PgPool, count: u8) {
    for n in 1..=count {
        let account = format!("eip155:1:0x{}", format!("{n:02x}").repeat(20)).parse().unwrap();
        ensure_user(db, &Account::eoa(&account)).await.unwrap();
    }
}

async fn count(db: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(db).await.unwrap()
}

async fn told(db: &PgPool, ago: &str) -> DateTime<Utc> {
    sqlx::query_scalar(
        "insert into dirty_collections (collection_id, chain_id, contract, dirty_at)
         values (gen_random_uuid(), 'eip155:1', '0x', now() - $1::text::interval) returning dirty_at",
    )
    .bind(ago)
    .fetch_one(db)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_settled_collection_has_everybody_asked_about_once_and_is_forgotten() {
    let db = testkit::database(&MIGRATOR).await;
    users(&db.pool, 3).await;
    told(&db.pool, "5 seconds").await;
    settle_collections(&db.pool).await.unwrap();
    assert_eq!(
        count(&db.pool, "select count(*) from user_stats where dirty_at is not null").await,
        0,
        "still busy"
    );

    sqlx::query("update dirty_collections set dirty_at = now() - interval '2 minutes'")
        .execute(&db.pool)
        .await
        .unwrap();
    settle_collections(&db.pool).await.unwrap();
    assert_eq!(count(&db.pool, "select count(*) from user_stats where dirty_at is not null").await, 3);
    assert_eq!(
        count(&db.pool, "select count(*) from dirty_collections").await,
        1,
        "until they were asked about"
    );

    sqlx::query("update user_stats set dirty_at = null, refreshed_at = now()")
        .execute(&db.pool)
        .await
        .unwrap();
    settle_collections(&db.pool).await.unwrap();
    assert_eq!(count(&db.pool, "select count(*) from user_stats where dirty_at is not null").await, 0);
    assert_eq!(count(&db.pool, "select count(*) from dirty_collections").await, 0);
}

#[tokio::test]
async fn a_collection_that_never_settles_is_looked_at_all_the_same() {
    let db = testkit::database(&MIGRATOR).await;
    users(&db.pool, 1).await;
    told(&db.pool, "11 minutes").await;
    told(&db.pool, "1 second").await;
    settle_collections(&db.pool).await.unwrap();
    assert_eq!(count(&db.pool, "select count(*) from user_stats where dirty_at is not null").await, 1);
}

#[test]
fn what_is_no_figure_is_not_written() {
    let right = OwnerStats { volume_sold: "0".into(), volume_purchased: "12".into(), ..Default::default() };
    let user_id = UserId::new();
    assert!(figure(user_id, right.clone()).is_some());
    for wrong in [
        OwnerStats { items_count: -1, ..right.clone() },
        OwnerStats { volume_sold: String::new(), ..right.clone() },
        OwnerStats { volume_sold: "-1".into(), ..right.clone() },
        OwnerStats { volume_purchased: "NaN".into(), ..right },
    ] {
        assert!(figure(user_id, wrong).is_none());
    }
}

#[test]
fn the_pause_grows_and_has_an_end() {
    assert_eq!(pause_after(1), Duration::from_secs(2));
    assert_eq!(pause_after(100), LONGEST_PAUSE);
    assert!((1..20).all(|n| pause_after(n) <= pause_after(n + 1)));
}

async fn marked(db: &PgPool, ago: &str, refreshed: &str) {
    sqlx::query(
        "update user_stats set dirty_at = clock_timestamp() - $1::text::interval, claimed_until = null,
             refreshed_at = clock_timestamp() - $2::text::interval",
    )
    .bind(ago)
    .bind(refreshed)
    .execute(db)
    .await
    .unwrap();
}

async fn write_items(db: &PgPool, claimed: &[Claimed], items_count: i32) {
    let (volume_sold, volume_purchased) = ("0".to_owned(), "0".to_owned());
    let user_id = claimed[0].user_id;
    let row = FigureRow { user_id, items_count, volume_sold, volume_purchased, ..Default::default() };
    let mut tx = db.begin().await.unwrap();
    store::write_figures(&mut tx, claimed, &[row]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_mark_that_each_block_renews_is_claimed_all_the_same_and_outlives_the_answer() {
    let db = testkit::database(&MIGRATOR).await;
    users(&db.pool, 1).await;
    marked(&db.pool, "0", "5 seconds").await;
    assert!(store::claim_dirty(&db.pool, 9).await.unwrap().is_empty(), "it may settle yet");
    marked(&db.pool, "0", "11 seconds").await;
    let claimed = store::claim_dirty(&db.pool, 9).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let mut tx = db.pool.begin().await.unwrap();
    store::mark_dirty(&mut tx, &[claimed[0].user_id]).await.unwrap();
    tx.commit().await.unwrap();
    write_items(&db.pool, &claimed, 3).await;
    assert_eq!(count(&db.pool, "select items_count::bigint from user_stats").await, 3);
    assert_eq!(count(&db.pool, "select count(*) from user_stats where dirty_at is not null").await, 1);
}

#[tokio::test]
async fn a_claim_that_ran_out_neither_overwrites_newer_figures_nor_ends_anothers_claim() {
    let db = testkit::database(&MIGRATOR).await;
    users(&db.pool, 1).await;
    marked(&db.pool, "1 minute", "1 minute").await;
    let late = store::claim_dirty(&db.pool, 9).await.unwrap();
    assert!(store::claim_dirty(&db.pool, 9).await.unwrap().is_empty(), "claimed");
    sqlx::query("update user_stats set claimed_until = now() - interval '1 second'")
        .execute(&db.pool)
        .await
        .unwrap();
    let next = store::claim_dirty(&db.pool, 9).await.unwrap();
    release(&db.pool, &late).await.unwrap();
    let claims = "select count(*) from user_stats where claimed_until > now()";
    assert_eq!(count(&db.pool, claims).await, 1, "the other's claim");
    write_items(&db.pool, &next, 5).await;
    write_items(&db.pool, &late, 2).await;
    assert_eq!(count(&db.pool, "select items_count::bigint from user_stats").await, 5);
    assert_eq!(count(&db.pool, claims).await, 0);
}
