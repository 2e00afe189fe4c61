//! What gateways see of the delivery log.

use std::time::Duration;

use ids::TokenRowId;
use rpc::{Code, Problem};

use crate::worker::{Worker, token};

#[tokio::test]
async fn a_message_is_delivered_once_however_often_it_is_published() {
    let worker = Worker::start().await;
    let mut watch = worker.watch_now().await;
    let (first, second) = (TokenRowId::new(), TokenRowId::new());
    let message = token(first, 1);
    worker.publish(&[message.clone(), message.clone(), message.clone()]).await;
    worker.publish(&[token(second, 1)]).await;

    let told = watch.next().await.unwrap();
    assert_eq!(told.event_id, format!("token/{first}/1"));
    assert_eq!(told.topic, "mints.domain");
    let envelope: events::Envelope = serde_json::from_str(&told.envelope_json).unwrap();
    assert_eq!(envelope.id, message.envelope.id);
    assert_eq!(watch.next().await.unwrap().event_id, format!("token/{second}/1"));
}

#[tokio::test]
async fn an_older_revision_is_not_delivered_after_a_newer_one() {
    let worker = Worker::start().await;
    let mut watch = worker.watch_now().await;
    let (row, other) = (TokenRowId::new(), TokenRowId::new());
    worker.publish(&[token(row, 3)]).await;
    assert_eq!(watch.next().await.unwrap().event_id, format!("token/{row}/3"));
    worker.publish(&[token(row, 2), token(other, 1)]).await;
    assert_eq!(watch.next().await.unwrap().event_id, format!("token/{other}/1"));
}

#[tokio::test]
async fn a_watcher_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let worker = Worker::start().await;
    let mut watch = worker.watch_now().await;
    let rows: Vec<TokenRowId> = (0..20).map(|_| TokenRowId::new()).collect();
    worker.publish(&rows[..10].iter().map(|row| token(*row, 1)).collect::<Vec<_>>()).await;
    let mut seen = Vec::new();
    let mut last = watch.position.clone();
    for _ in 0..5 {
        let told = watch.next().await.unwrap();
        last = told.delivery_id;
        seen.push(told.event_id);
    }
    drop(watch);
    worker.publish(&rows[10..].iter().map(|row| token(*row, 1)).collect::<Vec<_>>()).await;

    let mut watch = worker.watch(&last).await.unwrap();
    assert_eq!(watch.position, last);
    for _ in 0..15 {
        seen.push(watch.next().await.unwrap().event_id);
    }
    seen.sort();
    let mut expected: Vec<String> = rows.iter().map(|row| format!("token/{row}/1")).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_flushed_log_ends_streams_and_refuses_old_positions() {
    let worker = Worker::start().await;
    let mut watch = worker.watch_now().await;
    worker.publish(&[token(TokenRowId::new(), 1)]).await;
    let last = watch.next().await.unwrap().delivery_id;

    let client = redis::Client::open(worker.redis.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = redis::cmd("FLUSHDB").query_async(&mut connection).await.unwrap();

    let ended = watch.next().await.unwrap_err();
    assert_eq!(Problem::from(&ended).reason, "CURSOR_EXPIRED");
    let refused = worker.watch(&last).await.err().unwrap();
    assert_eq!(Problem::from(&refused).reason, "CURSOR_EXPIRED");
    // From now on works at once, under another epoch.
    let mut watch = worker.watch("").await.unwrap();
    let row = TokenRowId::new();
    worker.publish(&[token(row, 1)]).await;
    assert_eq!(watch.next().await.unwrap().event_id, format!("token/{row}/1"));
}

#[tokio::test]
async fn a_position_that_is_not_one_is_bad_input() {
    let worker = Worker::start().await;
    worker.watch_now().await;
    let refused = Problem::from(&worker.watch("nonsense").await.err().unwrap());
    assert_eq!((refused.code, refused.reason.as_str()), (Code::BadInput, "BAD_CURSOR"));
}

#[tokio::test]
async fn the_orchestrator_is_told_even_when_it_was_away_and_people_do_not_wait_for_it() {
    let worker = Worker::start().await;
    let mut watch = worker.watch_now().await;
    *worker.told.refusals_left.lock().unwrap() = 2;
    let row = TokenRowId::new();
    worker.publish(&[token(row, 1)]).await;
    assert_eq!(watch.next().await.unwrap().event_id, format!("token/{row}/1"));
    testkit::eventually(Duration::from_secs(20), "the orchestrator is told", async || {
        (worker.told.events() == [format!("token/{row}/1")]).then_some(())
    })
    .await;
    // The attempts appended nothing: the next delivery is the next message.
    let next = TokenRowId::new();
    worker.publish(&[token(next, 1)]).await;
    assert_eq!(watch.next().await.unwrap().event_id, format!("token/{next}/1"));
}
