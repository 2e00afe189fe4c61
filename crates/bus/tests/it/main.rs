//! The broker edge on a real broker and a real database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod consumes;
mod deadletters;
mod outbox;
mod publishes;
mod rights;
mod survives;
mod topology;

use std::{collections::BTreeSet, time::Duration};

use bus::Bus;
use chrono::Utc;
use events::{Envelope, Message, topology::Queue};
use lapin::{Channel, Connection, ConnectionProperties, options::BasicGetOptions};
use sqlx::migrate::Migrator;
use testkit::Vhost;
use tokio_util::sync::CancellationToken;

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// A machine under load is slow, and none of these waits is ever waited in full.
const SOON: Duration = Duration::from_secs(60);

fn message(id: &str, exchange: &'static str, key: &str) -> Message {
    let envelope = Envelope {
        specversion: "1.0".into(),
        id: id.into(),
        source: "/vitrine/test".into(),
        kind: "vitrine.test.happened.v1".into(),
        time: Utc::now(),
        datacontenttype: "application/json".into(),
        traceparent: None,
        correlationid: None,
        causationid: None,
        partitionkey: None,
        sequence: None,
        data: serde_json::json!({ "id": id }),
    };
    Message { exchange, routing_key: key.into(), envelope }
}

/// A message that the queue's first binding takes.
fn message_for(queue: &Queue, id: &str) -> Message {
    let bound = queue.bindings[0];
    message(id, bound.exchange, &bound.pattern.replace('*', "31337").replace('#', "eip155.31337"))
}

fn open(vhost: &Vhost) -> Bus {
    Bus::open(&vhost.secret(), "test")
}

async fn publish(bus: &Bus, messages: &[Message]) {
    for result in bus.publish(messages).await {
        result.unwrap();
    }
}

async fn channel(vhost: &Vhost) -> (Connection, Channel) {
    let connection = Connection::connect(&vhost.url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Takes everything out of a queue that is there now.
async fn drain(channel: &Channel, queue: &str) -> Vec<lapin::message::Delivery> {
    let mut found = Vec::new();
    while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        found.push(got.delivery);
    }
    found
}

fn ids(deliveries: &[lapin::message::Delivery]) -> BTreeSet<String> {
    deliveries.iter().map(|delivery| delivery.properties.message_id().as_ref().unwrap().to_string()).collect()
}

/// Ends what was started with it when the test ends, also by a panic.
struct Stop(CancellationToken);

impl Stop {
    fn new() -> Stop {
        Stop(CancellationToken::new())
    }

    fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
