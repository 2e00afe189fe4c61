//! Dead messages: look at them, put them back on the one queue that they came from, or drop them.

use anyhow::{Context, bail};
use events::topology::Queue;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection,
    message::Delivery,
    options::{
        BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use launch::Secret;
use serde_json::Value;

use crate::{connect, settle};

/// At most so many are taken out of one queue at once; they are held until the whole was looked at.
const AT_ONCE: usize = 10_000;

/// A message that did not succeed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeadMessage {
    /// The queue whose consumer gave it up.
    pub queue: &'static str,
    /// The message's id; an element of a batch has `#n` at its end.
    pub id: String,
    /// A word for counting, or the broker's own reason where the broker gave it up.
    pub reason: String,
    /// What was wrong at the last attempt.
    pub error: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the first of them failed.
    pub first_failed_at: Option<String>,
    /// When it was given up.
    pub dead_at: Option<String>,
    /// The envelope, or its text where it is not JSON.
    pub body: Value,
}

/// Which of a queue's dead messages are meant.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All that are there now.
    All,
    /// The one with this id.
    Id(&'a str),
}

impl Which<'_> {
    fn is(self, delivery: &Delivery) -> bool {
        match self {
            Which::All => true,
            Which::Id(id) => settle::message_id(delivery) == id,
        }
    }
}

/// The dead messages of a queue; they stay where they are.
pub async fn list(amqp: &Secret, queue: &'static Queue) -> anyhow::Result<Vec<DeadMessage>> {
    let desk = Desk::open(amqp).await?;
    let mut found = Vec::new();
    let taken = desk.take(queue).await?;
    found.extend(taken.iter().map(|delivery| DeadMessage::read(queue, delivery)));
    desk.put_back(&taken).await?;
    desk.close().await?;
    Ok(found)
}

/// Puts dead messages back on the queue that they came from, and on no other; says how many. The copy is with the broker
/// before the original goes, so a crash in between leaves both, and the consumer's mark makes that one effect.
pub async fn retry(amqp: &Secret, queue: &'static Queue, which: Which<'_>) -> anyhow::Result<usize> {
    let desk = Desk::open(amqp).await?;
    let (meant, others): (Vec<_>, Vec<_>) = desk.take(queue).await?.into_iter().partition(|d| which.is(d));
    desk.put_back(&others).await?;
    for delivery in &meant {
        desk.publish(queue, delivery).await?;
        delivery.ack(BasicAckOptions::default()).await?;
    }
    desk.close().await?;
    Ok(meant.len())
}

/// Removes dead messages for good; says how many.
pub async fn drop(amqp: &Secret, queue: &'static Queue, which: Which<'_>) -> anyhow::Result<usize> {
    let desk = Desk::open(amqp).await?;
    let (meant, others): (Vec<_>, Vec<_>) = desk.take(queue).await?.into_iter().partition(|d| which.is(d));
    desk.put_back(&others).await?;
    for delivery in &meant {
        delivery.ack(BasicAckOptions::default()).await?;
    }
    desk.close().await?;
    Ok(meant.len())
}

/// A connection for one errand. What it holds unacknowledged returns to its queue when it ends, however it ends.
struct Desk {
    connection: Connection,
    channel: Channel,
}

impl Desk {
    async fn open(amqp: &Secret) -> anyhow::Result<Desk> {
        let connection = connect::open(amqp, "dead letters").await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Desk { connection, channel })
    }

    /// Everything that is in the dead queue now, in its order.
    async fn take(&self, queue: &Queue) -> anyhow::Result<Vec<Delivery>> {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let dead = queue.dead();
        // Its count is not asked for: it lags behind what was put back a moment ago.
        let state = self.channel.queue_declare(dead.as_str().into(), passive, FieldTable::default()).await;
        state.with_context(|| format!("no queue {dead}"))?;
        let mut taken = Vec::new();
        while taken.len() < AT_ONCE {
            let next = self.channel.basic_get(dead.as_str().into(), BasicGetOptions::default()).await?;
            let Some(message) = next else { break };
            taken.push(message.delivery);
        }
        Ok(taken)
    }

    async fn put_back(&self, deliveries: &[Delivery]) -> anyhow::Result<()> {
        for delivery in deliveries {
            delivery.nack(BasicNackOptions { requeue: true, multiple: false }).await?;
        }
        Ok(())
    }

    async fn publish(&self, queue: &Queue, delivery: &Delivery) -> anyhow::Result<()> {
        let times =
            settle::header(delivery, settle::REDRIVEN).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let mut headers = FieldTable::default();
        // The count of attempts begins anew.
        headers.insert(settle::REDRIVEN.into(), AMQPValue::LongString((times + 1).to_string().into()));
        if let Some(parent) = settle::header(delivery, "traceparent") {
            headers.insert("traceparent".into(), AMQPValue::LongString(parent.into()));
        }
        let properties: BasicProperties = delivery.properties.clone().with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let confirm = self
            .channel
            .basic_publish("".into(), queue.name.into(), options, &delivery.data, properties)
            .await?
            .await?;
        match confirm {
            Confirmation::Ack(None) => Ok(()),
            other => bail!("the broker did not take the message back to {}: {other:?}", queue.name),
        }
    }

    async fn close(self) -> anyhow::Result<()> {
        self.channel.close(200, "done".into()).await?;
        self.connection.close(200, "done".into()).await?;
        Ok(())
    }
}

impl DeadMessage {
    fn read(queue: &'static Queue, delivery: &Delivery) -> DeadMessage {
        let header = |name| settle::header(delivery, name);
        let text = || Value::String(String::from_utf8_lossy(&delivery.data).into_owned());
        DeadMessage {
            queue: queue.name,
            id: settle::message_id(delivery),
            reason: header(settle::REASON).or_else(|| header("x-first-death-reason")).unwrap_or_default(),
            error: header(settle::ERROR).unwrap_or_default(),
            attempts: header(settle::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(0),
            first_failed_at: header(settle::FIRST_FAILED_AT),
            dead_at: header(settle::DEAD_AT),
            body: serde_json::from_slice(&delivery.data).unwrap_or_else(|_| text()),
        }
    }
}
