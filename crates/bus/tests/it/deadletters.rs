//! The operator's hands on the dead queues.

use bus::{Failure, Handled, deadletter, deadletter::Which};
use events::topology::{SUBS_MINTS_UPSERTED as QUEUE, USER_STATS_CHANGED as NEIGHBOUR};

use crate::{SOON, Stop, channel, drain, ids, message_for, open};

#[tokio::test]
async fn dead_messages_can_be_listed_again_and_again_put_back_one_by_one_and_dropped() {
    let (vhost, stop) = (testkit::vhost().await, Stop::new());
    let (bus, amqp) = (open(&vhost), vhost.secret());
    let handler =
        |_| async { Err::<Handled, _>(Failure::Never { reason: "refused", error: anyhow::anyhow!("no") }) };
    let consuming = tokio::spawn(bus::consume(bus.clone(), &QUEUE, handler, stop.token()));
    crate::publish(&bus, &["a", "b", "c"].map(|id| message_for(&QUEUE, id))).await;
    testkit::eventually(SOON, "all are dead", async || {
        (deadletter::list(&amqp, &QUEUE).await.unwrap().len() == 3).then_some(())
    })
    .await;
    stop.0.cancel();
    consuming.await.unwrap().unwrap();
    for _ in 0..30 {
        assert_eq!(deadletter::list(&amqp, &QUEUE).await.unwrap().len(), 3);
    }

    let (_connection, channel) = channel(&vhost).await;
    // The event's other listener has had it, and must not get it again.
    assert_eq!(ids(&drain(&channel, NEIGHBOUR.name).await).len(), 3);
    assert_eq!(deadletter::retry(&amqp, &QUEUE, Which::Id("b")).await.unwrap(), 1);
    assert_eq!(deadletter::retry(&amqp, &QUEUE, Which::Id("nobody")).await.unwrap(), 0);
    let back = drain(&channel, QUEUE.name).await;
    assert_eq!(ids(&back).into_iter().collect::<Vec<_>>(), ["b"]);
    assert_eq!(back.len(), 1);
    let headers = back[0].properties.headers().as_ref().unwrap().inner();
    assert!(!headers.contains_key("x-attempt") && headers.contains_key("x-redriven"), "{headers:?}");
    assert!(drain(&channel, NEIGHBOUR.name).await.is_empty());

    assert_eq!(deadletter::drop(&amqp, &QUEUE, Which::Id("a")).await.unwrap(), 1);
    let left = deadletter::list(&amqp, &QUEUE).await.unwrap();
    assert_eq!(left.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(deadletter::drop(&amqp, &QUEUE, Which::All).await.unwrap(), 1);
    assert!(deadletter::list(&amqp, &QUEUE).await.unwrap().is_empty());
}
