//! From a transaction to the broker, and from the broker to one effect.

use std::time::Duration;

use bus::{Handled, inbox, outbox};
use events::{
    exchange,
    topology::{SUBS_INTENTS_UPSERTED, SUBS_MEDIA_UPSERTED},
};
use sqlx::PgPool;

use crate::{MIGRATOR, SOON, Stop, channel, drain, ids, message, message_for, open};

async fn put(db: &PgPool, messages: &[events::Message]) {
    let mut tx = db.begin().await.unwrap();
    outbox::put_all(&mut tx, messages).await.unwrap();
    tx.commit().await.unwrap();
}

async fn count(db: &PgPool, of: &'static str) -> i64 {
    sqlx::query_scalar(of).fetch_one(db).await.unwrap()
}

async fn unsent(db: &PgPool) -> i64 {
    count(db, "select count(*) from outbox where sent_at is null").await
}

async fn all_sent(db: &PgPool) {
    testkit::eventually(SOON, "the outbox is sent", async || (unsent(db).await == 0).then_some(())).await;
}

fn numbered(count: usize) -> Vec<events::Message> {
    (0..count).map(|n| message(&format!("m{n:04}"), exchange::INTENTS_DOMAIN, "upserted.x")).collect()
}

#[tokio::test]
async fn what_is_written_twice_is_kept_once_and_what_is_rolled_back_is_not_sent() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    put(&db.pool, &numbered(3)).await;
    put(&db.pool, &numbered(4)).await;
    let mut tx = db.pool.begin().await.unwrap();
    outbox::put(&mut tx, &message("never", exchange::INTENTS_DOMAIN, "upserted.x")).await.unwrap();
    tx.rollback().await.unwrap();
    tokio::spawn(outbox::relay(db.pool.clone(), open(&vhost), stop.token()));
    all_sent(&db.pool).await;
    let (_connection, channel) = channel(&vhost).await;
    assert_eq!(ids(&drain(&channel, SUBS_INTENTS_UPSERTED.name).await).len(), 4);
}

#[tokio::test]
async fn a_name_with_a_nul_does_not_stop_the_outbox() {
    let db = testkit::database(&MIGRATOR).await;
    let mut bad = message("nul", exchange::INTENTS_DOMAIN, "upserted.x");
    bad.envelope.data = serde_json::json!({ "name": "a\0b" });
    put(&db.pool, &[bad]).await;
    assert_eq!(unsent(&db.pool).await, 1);
}

#[tokio::test]
async fn what_no_queue_takes_stays_with_its_reason_and_holds_up_nothing() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    let mut messages = numbered(20);
    messages.insert(5, message("lost", exchange::INTENTS_DOMAIN, "nobody.listens"));
    put(&db.pool, &messages).await;
    tokio::spawn(outbox::relay(db.pool.clone(), open(&vhost), stop.token()));
    let why = testkit::eventually(SOON, "all but one are sent", async || {
        let left: Vec<(String, Option<String>)> =
            sqlx::query_as("select message_id, last_error from outbox where sent_at is null")
                .fetch_all(&db.pool)
                .await
                .unwrap();
        matches!(&left[..], [(id, Some(_))] if id == "lost").then(|| left[0].1.clone().unwrap())
    })
    .await;
    assert_eq!(why, "no queue takes the message");
}

#[tokio::test]
async fn however_many_rows_no_queue_takes_a_new_one_is_sent_at_once() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    let mut messages: Vec<_> = (0..1_200)
        .map(|n| message(&format!("lost{n:04}"), exchange::INTENTS_DOMAIN, "nobody.listens"))
        .collect();
    messages.push(message("rejected", "no.such.exchange", "upserted.x"));
    put(&db.pool, &messages).await;
    tokio::spawn(outbox::relay(db.pool.clone(), open(&vhost), stop.token()));
    testkit::eventually(SOON, "each was tried", async || {
        (count(&db.pool, "select count(*) from outbox where last_error is not null").await == 1_201)
            .then_some(())
    })
    .await;
    // All of them are due once more, and all of them are older than what comes now.
    sqlx::query("update outbox set claimed_until = now() - interval '1 second'")
        .execute(&db.pool)
        .await
        .unwrap();
    put(&db.pool, &numbered(700)).await;
    testkit::eventually(SOON, "what can be sent is sent", async || {
        (unsent(&db.pool).await == 1_201).then_some(())
    })
    .await;
    let before = "select count(*) from outbox where sent_at is null and attempts > 1";
    let again = count(&db.pool, before).await;
    assert!(again < 1_201, "all of the old ones were tried before the new ones were sent");
}

#[tokio::test]
async fn large_bodies_go_out_in_smaller_batches_and_all_of_them_go() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    let mut messages = numbered(30);
    for (n, message) in messages.iter_mut().enumerate() {
        // Nothing that a compressor could make small.
        let text: String = (0..20_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        message.envelope.data = serde_json::json!({ "n": n, "text": text });
    }
    put(&db.pool, &messages).await;
    tokio::spawn(outbox::relay(db.pool.clone(), open(&vhost), stop.token()));
    all_sent(&db.pool).await;
    let (_connection, channel) = channel(&vhost).await;
    assert_eq!(ids(&drain(&channel, SUBS_INTENTS_UPSERTED.name).await).len(), 30);
}

#[tokio::test]
async fn a_message_that_travels_twice_has_its_effect_once() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    sqlx::query("create table effects (event_id text not null)").execute(&db.pool).await.unwrap();
    let bus = open(&vhost);
    tokio::spawn(outbox::relay(db.pool.clone(), bus.clone(), stop.token()));
    let pool = db.pool.clone();
    let handler = move |envelope: events::Envelope| {
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await?;
            if inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
                sqlx::query("insert into effects values ($1)").bind(&envelope.id).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(Handled::all())
        }
    };
    tokio::spawn(bus::consume_many(bus, &SUBS_INTENTS_UPSERTED, 4, handler, stop.token()));

    put(&db.pool, &numbered(200)).await;
    all_sent(&db.pool).await;
    // As after a crash between the confirmation and the mark: everything goes out again.
    sqlx::query("update outbox set sent_at = null").execute(&db.pool).await.unwrap();
    all_sent(&db.pool).await;
    put(&db.pool, &[message("last", exchange::INTENTS_DOMAIN, "upserted.x")]).await;
    testkit::eventually(SOON, "the last one has its effect", async || {
        (count(&db.pool, "select count(*) from effects where event_id = 'last'").await == 1).then_some(())
    })
    .await;
    testkit::eventually(SOON, "the queue is empty", async || {
        (count(&db.pool, "select count(distinct event_id) from effects").await == 201).then_some(())
    })
    .await;
    assert_eq!(count(&db.pool, "select count(*) from effects").await, 201);
    assert_eq!(count(&db.pool, "select count(*) from processed_events").await, 201);
}

#[tokio::test]
async fn two_relays_share_the_work_and_lose_nothing() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    put(&db.pool, &numbered(3_000)).await;
    for _ in 0..2 {
        tokio::spawn(outbox::relay(db.pool.clone(), open(&vhost), stop.token()));
    }
    all_sent(&db.pool).await;
    let (_connection, channel) = channel(&vhost).await;
    let there = drain(&channel, SUBS_INTENTS_UPSERTED.name).await;
    assert_eq!(ids(&there).len(), 3_000);
    // Neither was stopped, so nothing had to be sent again.
    assert_eq!(there.len(), 3_000);
    assert_eq!(count(&db.pool, "select count(*) from outbox where attempts <> 1").await, 0);
}

#[tokio::test]
async fn a_transaction_that_commits_late_with_an_earlier_number_is_sent() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    tokio::spawn(outbox::relay(db.pool.clone(), open(&vhost), stop.token()));
    let mut early = db.pool.begin().await.unwrap();
    outbox::put(&mut early, &message("early", exchange::INTENTS_DOMAIN, "upserted.x")).await.unwrap();
    put(&db.pool, &[message("late", exchange::INTENTS_DOMAIN, "upserted.x")]).await;
    all_sent(&db.pool).await;
    early.commit().await.unwrap();
    all_sent(&db.pool).await;
    let (_connection, channel) = channel(&vhost).await;
    let there = ids(&drain(&channel, SUBS_INTENTS_UPSERTED.name).await);
    assert_eq!(there.into_iter().collect::<Vec<_>>(), ["early", "late"]);
}

#[tokio::test]
async fn the_rows_of_a_relay_that_died_are_sent_by_the_next() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    put(&db.pool, &[message_for(&SUBS_MEDIA_UPSERTED, "a"), message_for(&SUBS_MEDIA_UPSERTED, "b")]).await;
    let claim = "update outbox set attempts = 1, claimed_until = now() + interval '3 seconds'
                 where message_id = 'a'";
    sqlx::query(claim).execute(&db.pool).await.unwrap();
    tokio::spawn(outbox::relay(db.pool.clone(), open(&vhost), stop.token()));
    testkit::eventually(SOON, "the free row is sent", async || (unsent(&db.pool).await == 1).then_some(()))
        .await;
    all_sent(&db.pool).await;
    let waited =
        "select count(*) from outbox where message_id = 'a' and sent_at > created_at + interval '2 seconds'";
    assert_eq!(count(&db.pool, waited).await, 1);
}

#[tokio::test]
async fn a_stop_sends_what_was_just_written() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    let bus = open(&vhost);
    crate::publish(&bus, &[message_for(&SUBS_MEDIA_UPSERTED, "the connection stands")]).await;
    let relay = tokio::spawn(outbox::relay(db.pool.clone(), bus, stop.token()));
    put(&db.pool, &numbered(10)).await;
    stop.0.cancel();
    tokio::time::timeout(Duration::from_secs(20), relay).await.unwrap().unwrap().unwrap();
    assert_eq!(unsent(&db.pool).await, 0);
}

#[test]
fn every_database_has_the_same_outbox_and_inbox() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    for database in std::fs::read_dir(folder).unwrap() {
        let path = database.unwrap().path();
        let service = path.file_name().unwrap().to_string_lossy().replace('_', "-");
        // A database of a service that neither publishes nor consumes has neither.
        if path.is_dir() && bus::rights::services().contains(service.as_str()) {
            let first = path.join("0001_outbox_inbox.sql");
            let text =
                std::fs::read_to_string(&first).unwrap_or_else(|err| panic!("{}: {err}", first.display()));
            assert_eq!(text, outbox::MIGRATION_TEXT, "{}", first.display());
        }
    }
}
