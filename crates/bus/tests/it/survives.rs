//! The broker goes away and comes back; nothing is lost and nothing needs a restart.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Bus, Handled, declare, outbox};
use events::{exchange, topology::SUBS_INTENTS_UPSERTED as QUEUE};
use testkit::{Fault, Proxy, Vhost};

use crate::{MIGRATOR, SOON, Stop, message, message_for};

type Seen = Arc<Mutex<BTreeMap<String, usize>>>;

fn counting(
    seen: &Seen,
) -> impl Fn(events::Envelope) -> futures::future::BoxFuture<'static, Result<Handled, bus::Failure>> + use<> {
    let seen = seen.clone();
    move |envelope| {
        let seen = seen.clone();
        Box::pin(async move {
            // Long enough that a cut always meets messages in hand.
            tokio::time::sleep(Duration::from_millis(2)).await;
            *seen.lock().unwrap().entry(envelope.id).or_default() += 1;
            Ok(Handled::all())
        })
    }
}

async fn proxied(vhost: &Vhost) -> (Proxy, Bus) {
    let proxy = Proxy::to(vhost.url.split('@').nth(1).unwrap().split('/').next().unwrap()).await;
    let bus = Bus::open(&proxy.url(&vhost.url).as_str().into(), "test");
    (proxy, bus)
}

#[tokio::test]
async fn connections_that_break_in_the_middle_lose_nothing() {
    let (db, vhost, stop) = (testkit::database(&MIGRATOR).await, testkit::vhost().await, Stop::new());
    let (proxy, bus) = proxied(&vhost).await;
    let seen = Seen::default();
    tokio::spawn(outbox::relay(db.pool.clone(), bus.clone(), stop.token()));
    tokio::spawn(bus::consume_many(bus, &QUEUE, 4, counting(&seen), stop.token()));
    for round in 0..6 {
        let messages: Vec<_> = (0..200)
            .map(|n| message(&format!("{round}-{n}"), exchange::INTENTS_DOMAIN, "upserted.x"))
            .collect();
        let mut tx = db.pool.begin().await.unwrap();
        outbox::put_all(&mut tx, &messages).await.unwrap();
        tx.commit().await.unwrap();
        let some = round * 200 + 50;
        testkit::eventually(SOON, "some of this round have come", async || {
            (seen.lock().unwrap().len() > some).then_some(())
        })
        .await;
        if round < 5 {
            proxy.set(Fault::Down);
            tokio::time::sleep(Duration::from_millis(100 * round as u64)).await;
            proxy.set(Fault::Pass);
        }
    }
    testkit::eventually(SOON, "all have come", async || (seen.lock().unwrap().len() == 1_200).then_some(()))
        .await;
    testkit::eventually(SOON, "all are marked", async || {
        let left: i64 = sqlx::query_scalar("select count(*) from outbox where sent_at is null")
            .fetch_one(&db.pool)
            .await
            .unwrap();
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_broker_closes_is_replaced() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let bus = crate::open(&vhost);
    let seen = Seen::default();
    tokio::spawn(bus::consume(bus.clone(), &QUEUE, counting(&seen), stop.token()));
    crate::publish(&bus, &[message_for(&QUEUE, "before")]).await;
    testkit::eventually(SOON, "it is consumed", async || {
        seen.lock().unwrap().contains_key("before").then_some(())
    })
    .await;
    // The broker lists a connection only some seconds after it was opened.
    let killed = testkit::eventually(SOON, "both connections are listed and closed", async || {
        let listed = vhost.api.get(&["vhosts", &vhost.name, "connections"]).await.unwrap();
        let names: Vec<_> = listed.as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        if names.len() < 2 {
            return None;
        }
        for name in &names {
            vhost.api.delete(&["connections", name]).await.unwrap();
        }
        Some(names.len())
    })
    .await;
    assert_eq!(killed, 2);
    testkit::eventually(SOON, "publishing and consuming go on", async || {
        let _ = bus.publish(&[message_for(&QUEUE, "after")]).await;
        seen.lock().unwrap().contains_key("after").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_comes_late_is_waited_for() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let (proxy, bus) = proxied(&vhost).await;
    proxy.set(Fault::Down);
    let seen = Seen::default();
    let consuming = tokio::spawn(bus::consume(bus.clone(), &QUEUE, counting(&seen), stop.token()));
    let publishing = tokio::spawn(async move { bus.publish(&[message_for(&QUEUE, "a")]).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.set(Fault::Pass);
    publishing.await.unwrap()[0].clone().unwrap();
    testkit::eventually(SOON, "it is consumed", async || {
        seen.lock().unwrap().contains_key("a").then_some(())
    })
    .await;
    stop.0.cancel();
    consuming.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_queue_that_is_not_declared_yet_is_waited_for() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    vhost.api.delete(&["queues", &vhost.name, QUEUE.name]).await.unwrap();
    let bus = crate::open(&vhost);
    let seen = Seen::default();
    tokio::spawn(bus::consume(bus.clone(), &QUEUE, counting(&seen), stop.token()));
    assert_eq!(bus.publish(&[message_for(&QUEUE, "a")]).await[0], Err(bus::PublishError::Unroutable));
    declare::queues(&vhost.secret(), &[&QUEUE]).await.unwrap();
    crate::publish(&bus, &[message_for(&QUEUE, "b")]).await;
    testkit::eventually(SOON, "it is consumed", async || {
        seen.lock().unwrap().contains_key("b").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_hand_and_leaves_the_rest() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let bus = crate::open(&vhost);
    let messages: Vec<_> = (0..50).map(|n| message_for(&QUEUE, &n.to_string())).collect();
    crate::publish(&bus, &messages).await;
    let seen = Seen::default();
    let consuming = tokio::spawn(bus::consume(bus, &QUEUE, counting(&seen), stop.token()));
    testkit::eventually(SOON, "some are consumed", async || (seen.lock().unwrap().len() > 3).then_some(()))
        .await;
    stop.0.cancel();
    consuming.await.unwrap().unwrap();
    let handled = seen.lock().unwrap().clone();
    let (_connection, channel) = crate::channel(&vhost).await;
    let left = testkit::eventually(SOON, "the rest is back", async || {
        let left = crate::ids(&crate::drain(&channel, QUEUE.name).await);
        (!left.is_empty()).then_some(left)
    })
    .await;
    assert_eq!(handled.len() + left.len(), 50);
    assert!(handled.keys().all(|id| !left.contains(id)), "a handled message was not acknowledged");
}
