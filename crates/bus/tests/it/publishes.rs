//! Publishing: what is confirmed is there, what no queue takes is told apart, what cannot be reached ends in time.

use bus::PublishError;
use events::{exchange, topology::SUBS_INTENTS_UPSERTED as QUEUE};
use testkit::{Fault, Proxy};

use crate::{Stop, channel, drain, ids, message, open};

#[tokio::test]
async fn many_are_in_flight_and_each_unroutable_one_is_told_apart() {
    let vhost = testkit::vhost().await;
    let bus = open(&vhost);
    let is_lost = |n: usize| n.is_multiple_of(7);
    let messages: Vec<_> = (0..1_000)
        .map(|n| {
            let key = if is_lost(n) { "nobody.listens" } else { "upserted.x" };
            message(&format!("m{n}"), exchange::INTENTS_DOMAIN, key)
        })
        .collect();
    let results = bus.publish(&messages).await;
    for (n, result) in results.iter().enumerate() {
        let expected = if is_lost(n) { Err(PublishError::Unroutable) } else { Ok(()) };
        assert_eq!(*result, expected, "message {n}");
    }
    let (_connection, channel) = channel(&vhost).await;
    let there = drain(&channel, QUEUE.name).await;
    assert_eq!(there.len(), 857);
    assert_eq!(ids(&there).len(), 857);
    let properties = &there[0].properties;
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents+json");
}

#[tokio::test]
async fn a_message_that_the_broker_rejects_fails_alone() {
    let vhost = testkit::vhost().await;
    let bus = open(&vhost);
    let messages: Vec<_> = (0..300)
        .map(|n| {
            let exchange = match n {
                7 | 250 | 251 => "no.such.exchange",
                299 => "neither.is.this",
                _ => exchange::INTENTS_DOMAIN,
            };
            message(&format!("m{n}"), exchange, if n == 8 { "nobody.listens" } else { "upserted.x" })
        })
        .collect();
    let results = bus.publish(&messages).await;
    for (n, result) in results.iter().enumerate() {
        match n {
            7 | 250 | 251 | 299 => {
                assert!(
                    matches!(result, Err(PublishError::Rejected(why)) if why.contains("NOT_FOUND")),
                    "{result:?}"
                )
            }
            8 => assert_eq!(*result, Err(PublishError::Unroutable)),
            _ => assert_eq!(*result, Ok(()), "message {n}"),
        }
    }
    let (_connection, channel) = channel(&vhost).await;
    // What was unanswered when a channel broke may be there twice.
    assert_eq!(ids(&drain(&channel, QUEUE.name).await).len(), 295);
}

#[tokio::test]
async fn an_exchange_that_is_not_there_fails_and_the_next_batch_goes() {
    let vhost = testkit::vhost().await;
    let bus = open(&vhost);
    let lost = bus.publish(&[message("a", "no.such.exchange", "x")]).await;
    assert!(matches!(lost[0], Err(PublishError::Rejected(_))), "{lost:?}");
    let long = bus.publish(&[message("b", exchange::INTENTS_DOMAIN, &"x".repeat(256))]).await;
    assert_eq!(long[0], Err(PublishError::TooLong));
    crate::publish(&bus, &[message("c", exchange::INTENTS_DOMAIN, "upserted.x")]).await;
}

#[tokio::test]
async fn many_batches_at_once_do_not_mix_their_answers() {
    let vhost = testkit::vhost().await;
    let bus = open(&vhost);
    let batch = |b: usize| {
        let bus = bus.clone();
        async move {
            let key = if b.is_multiple_of(2) { "upserted.x" } else { "nobody.listens" };
            let messages: Vec<_> =
                (0..50).map(|n| message(&format!("{b}-{n}"), exchange::INTENTS_DOMAIN, key)).collect();
            bus.publish(&messages).await.iter().filter(|result| result.is_ok()).count()
        }
    };
    let sent = futures::future::join_all((0..20).map(batch)).await;
    for (b, ok) in sent.iter().enumerate() {
        assert_eq!(*ok, if b.is_multiple_of(2) { 50 } else { 0 }, "batch {b}");
    }
}

#[tokio::test]
async fn a_silent_broker_is_given_up_in_time() {
    let vhost = testkit::vhost().await;
    let target = vhost.url.split('@').nth(1).unwrap().split('/').next().unwrap();
    let proxy = Proxy::to(target).await;
    let bus = bus::Bus::open(&proxy.url(&vhost.url).as_str().into(), "test");
    crate::publish(&bus, &[message("a", exchange::INTENTS_DOMAIN, "upserted.x")]).await;
    proxy.set(Fault::Stall);
    let began = std::time::Instant::now();
    let results = bus.publish(&[message("b", exchange::INTENTS_DOMAIN, "upserted.x")]).await;
    assert!(matches!(results[0], Err(PublishError::TimedOut | PublishError::Unavailable(_))), "{results:?}");
    assert!(began.elapsed().as_secs() < 40);
    proxy.set(Fault::Down);
    proxy.set(Fault::Pass);
    let _stop = Stop::new();
    testkit::eventually(crate::SOON, "publishing works again", async || {
        let again = bus.publish(&[message("c", exchange::INTENTS_DOMAIN, "upserted.x")]).await;
        again[0].is_ok().then_some(())
    })
    .await;
}
