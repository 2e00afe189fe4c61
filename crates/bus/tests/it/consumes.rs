//! Consuming: the schedule of attempts, and what ends in the dead queue with which reason.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::anyhow;
use bus::{DeadElement, Failure, Handled, deadletter};
use chrono::{TimeDelta, Utc};
use events::topology::{CATALOG_MINTS_CREATED as CHAIN, USER_STATS_CHANGED as INBOX};
use tokio::sync::Barrier;

use crate::{SOON, Stop, message_for, open};

async fn dead(
    vhost: &testkit::Vhost,
    queue: &'static events::topology::Queue,
    count: usize,
) -> Vec<deadletter::DeadMessage> {
    testkit::eventually(SOON, "the dead queue is filled", async || {
        let found = deadletter::list(&vhost.secret(), queue).await.unwrap();
        (found.len() >= count).then_some(found)
    })
    .await
}

#[tokio::test]
async fn a_failing_message_is_tried_five_times_at_its_times_and_then_kept_with_its_reason() {
    let steps = [50, 300, 100, 400].map(Duration::from_millis);
    let (vhost, stop) = (testkit::vhost_with(&steps).await, Stop::new());
    let bus = open(&vhost);
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = times.clone();
    let handler = move |envelope: events::Envelope| {
        if envelope.id == "bad" {
            seen.lock().unwrap().push(Instant::now());
        }
        async move {
            match envelope.id.as_str() {
                "bad" => Err(anyhow!("the store says no").context("cannot apply").into()),
                _ => Ok(Handled::all()),
            }
        }
    };
    tokio::spawn(bus::consume(bus.clone(), &CHAIN, handler, stop.token()));
    let before = Utc::now();
    crate::publish(&bus, &[message_for(&CHAIN, "bad"), message_for(&CHAIN, "good")]).await;
    let found = dead(&vhost, &CHAIN, 1).await;

    let times = times.lock().unwrap().clone();
    assert_eq!(times.len(), 5);
    for (at, step) in steps.iter().enumerate() {
        assert!(times[at + 1] - times[at] >= *step, "attempt {} came too early", at + 2);
    }
    assert_eq!(found.len(), 1);
    let kept = &found[0];
    assert_eq!((kept.id.as_str(), kept.reason.as_str(), kept.attempts), ("bad", "attempts_exhausted", 5));
    assert_eq!(kept.error, "cannot apply: the store says no");
    let first: chrono::DateTime<Utc> = kept.first_failed_at.as_ref().unwrap().parse().unwrap();
    let last: chrono::DateTime<Utc> = kept.dead_at.as_ref().unwrap().parse().unwrap();
    assert!(first >= before && last - first >= TimeDelta::milliseconds(850), "{first} {last}");
}

#[tokio::test]
async fn what_can_never_succeed_is_dead_at_once_and_the_rest_goes_on() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let bus = open(&vhost);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    let handler = move |envelope: events::Envelope| {
        seen.lock().unwrap().push(envelope.id.clone());
        async move {
            match envelope.id.as_str() {
                "version" => {
                    Err(events::NotThisFact::OtherType { expected: "v1", found: "v9".into() }.into())
                }
                "never" => Err(Failure::Never { reason: "forged", error: anyhow!("not ours") }),
                "panic" => panic!("at the handler"),
                _ => Ok(Handled::all()),
            }
        }
    };
    tokio::spawn(bus::consume(bus.clone(), &INBOX, handler, stop.token()));

    let mut old = message_for(&INBOX, "old");
    old.envelope.time = Utc::now() - TimeDelta::days(31);
    let young = {
        let mut it = message_for(&INBOX, "young");
        it.envelope.time = Utc::now() - TimeDelta::days(29);
        it
    };
    let all = ["version", "never", "panic"].map(|id| message_for(&INBOX, id));
    crate::publish(&bus, &all).await;
    crate::publish(&bus, &[old, young]).await;
    let (_connection, channel) = crate::channel(&vhost).await;
    let raw = lapin::options::BasicPublishOptions::default();
    let named = lapin::BasicProperties::default().with_message_id("garbage".into());
    channel
        .basic_publish("".into(), INBOX.name.into(), raw, b"{not json", named)
        .await
        .unwrap()
        .await
        .unwrap();
    crate::publish(&bus, &[message_for(&INBOX, "good")]).await;

    let mut found: Vec<_> =
        dead(&vhost, &INBOX, 5).await.into_iter().map(|it| (it.id, it.reason, it.attempts)).collect();
    found.sort();
    let expected = [
        ("garbage", "undecodable", 1),
        ("never", "forged", 1),
        ("old", "too_old", 1),
        ("panic", "attempts_exhausted", 5),
        ("version", "unknown_type", 1),
    ];
    assert_eq!(found, expected.map(|(id, reason, attempts)| (id.to_owned(), reason.to_owned(), attempts)));
    let calls = calls.lock().unwrap();
    let times = |id: &str| calls.iter().filter(|it| *it == id).count();
    assert_eq!(["good", "young", "version", "never", "panic", "old"].map(times), [1, 1, 1, 1, 5, 0]);
}

#[tokio::test]
async fn a_chain_event_of_any_age_is_handled() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let bus = open(&vhost);
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let handler = move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        async { Ok(Handled::all()) }
    };
    tokio::spawn(bus::consume(bus.clone(), &CHAIN, handler, stop.token()));
    let mut old = message_for(&CHAIN, "old");
    old.envelope.time = Utc::now() - TimeDelta::days(3_650);
    crate::publish(&bus, &[old]).await;
    testkit::eventually(SOON, "it is handled", async || (calls.load(Ordering::SeqCst) == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn a_bad_element_is_dead_alone_and_applied_once_when_put_back() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let bus = open(&vhost);
    let is_mended = Arc::new(AtomicUsize::new(0));
    let applied = Arc::new(Mutex::new(Vec::new()));
    let (mended, effects) = (is_mended.clone(), applied.clone());
    let handler = move |envelope: events::Envelope| {
        let (mended, effects) = (mended.clone(), effects.clone());
        async move {
            let mut handled = Handled::all();
            for (index, event) in envelope.data["events"].as_array().unwrap().iter().enumerate() {
                let n = event["n"].as_i64().unwrap();
                if n == 3 && mended.load(Ordering::SeqCst) == 0 {
                    handled.dead.push(DeadElement { index, reason: "malformed", error: "no owner".into() });
                } else {
                    effects.lock().unwrap().push(n);
                }
            }
            Ok(handled)
        }
    };
    tokio::spawn(bus::consume(bus.clone(), &CHAIN, handler, stop.token()));
    let mut batch = message_for(&CHAIN, "batch");
    let events: Vec<_> = (1..=5).map(|n| serde_json::json!({ "n": n })).collect();
    batch.envelope.data = serde_json::json!({ "block": { "number": 7 }, "events": events });
    crate::publish(&bus, &[batch]).await;

    let found = dead(&vhost, &CHAIN, 1).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].reason.as_str()), ("batch#2", "malformed"));
    assert_eq!(found[0].error, "no owner");
    assert_eq!(
        found[0].body["data"],
        serde_json::json!({ "block": { "number": 7 }, "events": [{ "n": 3 }] })
    );
    assert_eq!(*applied.lock().unwrap(), [1, 2, 4, 5]);

    is_mended.store(1, Ordering::SeqCst);
    let all = deadletter::Which::All;
    assert_eq!(deadletter::retry(&vhost.secret(), &CHAIN, all).await.unwrap(), 1);
    testkit::eventually(SOON, "the element is applied", async || {
        (applied.lock().unwrap().len() == 5).then_some(())
    })
    .await;
    assert_eq!(deadletter::retry(&vhost.secret(), &CHAIN, all).await.unwrap(), 0);
    assert_eq!(*applied.lock().unwrap(), [1, 2, 4, 5, 3]);
}

#[tokio::test]
async fn several_messages_are_in_hand_when_asked_for() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let bus = open(&vhost);
    let (meeting, met) = (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(0)));
    let count = met.clone();
    let handler = move |_| {
        let (meeting, met) = (meeting.clone(), met.clone());
        async move {
            meeting.wait().await;
            met.fetch_add(1, Ordering::SeqCst);
            Ok(Handled::all())
        }
    };
    tokio::spawn(bus::consume_many(bus.clone(), &INBOX, 3, handler, stop.token()));
    crate::publish(&bus, &["a", "b", "c"].map(|id| message_for(&INBOX, id))).await;
    testkit::eventually(SOON, "three have met", async || (count.load(Ordering::SeqCst) == 3).then_some(()))
        .await;
}
