//! Decides what becomes of a message that was not simply applied, and writes the copies that say why.
//!
//! The consumer publishes to the retry or dead queue and then acknowledges. Rejecting instead would leave the count to
//! the broker, which also counts for messages that a crashing consumer never looked at, and drops what goes in circles.

use std::{error::Error, fmt::Write};

use chrono::Utc;
use events::{
    Envelope, exchange,
    topology::{Queue, RETRY_STEPS},
};
use lapin::{message::Delivery, types::AMQPValue};
use serde_json::Value;
use tracing::{error, warn};

use crate::{
    consume::{DeadElement, Failure, Handled},
    metrics,
    publish::Parcel,
};

/// How many attempts have failed.
pub(crate) const ATTEMPT: &str = "x-attempt";
pub(crate) const FIRST_FAILED_AT: &str = "x-first-failed-at";
pub(crate) const ERROR: &str = "x-error";
pub(crate) const REASON: &str = "x-reason";
pub(crate) const DEAD_AT: &str = "x-dead-at";
pub(crate) const REDRIVEN: &str = "x-redriven";

/// A message as it came.
pub(crate) struct Received<'a> {
    queue: &'static Queue,
    delivery: &'a Delivery,
    /// How many attempts have failed before this one.
    pub(crate) attempt: usize,
}

/// What is to become of it.
#[derive(Debug)]
pub(crate) enum Settlement {
    Done(Vec<DeadElement>),
    /// `failed` is how many attempts count as failed from now on.
    Retry {
        step: usize,
        failed: usize,
        error: String,
    },
    Dead {
        reason: &'static str,
        error: String,
    },
}

impl Settlement {
    pub(crate) fn dead(reason: &'static str, error: String) -> Settlement {
        Settlement::Dead { reason, error }
    }

    pub(crate) fn label(&self) -> &'static str {
        match self {
            Settlement::Done(dead) if dead.is_empty() => "applied",
            Settlement::Done(_) => "applied_in_part",
            Settlement::Retry { .. } => "retried",
            Settlement::Dead { .. } => "dead",
        }
    }

    /// Counts what has been put into the dead queue.
    pub(crate) fn count(&self, queue: &Queue) {
        let count = |reason: &str, error: &str| {
            metrics::DEAD.with_label_values(&[queue.name, reason]).inc();
            error!(queue = queue.name, reason, error, "put into the dead queue");
        };
        match self {
            Settlement::Done(dead) => dead.iter().for_each(|element| count(element.reason, &element.error)),
            Settlement::Dead { reason, error } => count(reason, error),
            Settlement::Retry { .. } => {}
        }
    }
}

impl<'a> Received<'a> {
    /// With the envelope, or why there is none.
    pub(crate) fn read(
        queue: &'static Queue,
        delivery: &'a Delivery,
    ) -> (Received<'a>, Result<Envelope, String>) {
        let attempt = header(delivery, ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(0);
        let envelope = serde_json::from_slice(&delivery.data).map_err(|err| err.to_string());
        (Received { queue, delivery, attempt }, envelope)
    }

    /// From the handler's word to what is to be done; logs a failure, once.
    pub(crate) fn judge(&self, outcome: Result<Handled, Failure>) -> Settlement {
        match outcome {
            Ok(Handled { dead }) => Settlement::Done(dead),
            Err(Failure::Never { reason, error }) => Settlement::dead(reason, chain(&error)),
            Err(Failure::Away(error)) => self.wait(&error),
            Err(Failure::Retry(error)) if is_away(&error) => self.wait(&error),
            Err(Failure::Retry(error)) if self.attempt < RETRY_STEPS.len() => {
                let (step, error) = (self.attempt + 1, chain(&error));
                warn!(queue = self.queue.name, step, error, "will try the message again");
                Settlement::Retry { step, failed: step, error }
            }
            Err(Failure::Retry(error)) => Settlement::dead("attempts_exhausted", chain(&error)),
        }
    }

    /// The message is not to blame: it waits the shortest time, and the attempt does not count.
    fn wait(&self, error: &anyhow::Error) -> Settlement {
        let error = chain(error);
        warn!(queue = self.queue.name, error, "what the message needs is away, will try again");
        Settlement::Retry { step: 1, failed: self.attempt, error }
    }

    /// The copies to publish before the original may be acknowledged.
    pub(crate) fn parcels(&self, settlement: &Settlement) -> Vec<Parcel> {
        match settlement {
            Settlement::Done(dead) => dead.iter().filter_map(|element| self.element(element)).collect(),
            Settlement::Retry { step, failed, error } => {
                vec![self.copy(self.queue.retry(*step), *failed, vec![(ERROR, error.clone())])]
            }
            Settlement::Dead { reason, error } => vec![self.dead(reason, error)],
        }
    }

    fn dead(&self, reason: &str, error: &str) -> Parcel {
        let why =
            vec![(REASON, reason.to_owned()), (ERROR, error.to_owned()), (DEAD_AT, Utc::now().to_rfc3339())];
        self.copy(self.queue.dead(), self.attempt + 1, why)
    }

    /// The envelope with this element alone, under an id of its own.
    fn element(&self, element: &DeadElement) -> Option<Parcel> {
        let mut body: Value = serde_json::from_slice(&self.delivery.data).ok()?;
        let Some(one) = body.pointer(&format!("/data/events/{}", element.index)).cloned() else {
            error!(
                queue = self.queue.name,
                index = element.index,
                "handler named an element that is not there"
            );
            return None;
        };
        *body.pointer_mut("/data/events")? = Value::Array(vec![one]);
        let id = format!("{}#{}", body.get("id")?.as_str()?, element.index);
        body["id"] = Value::String(id.clone());
        let parcel = self.dead(element.reason, &element.error);
        Some(Parcel { id, body: serde_json::to_vec(&body).ok()?, ..parcel })
    }

    fn copy(&self, key: String, attempt: usize, why: Vec<(&'static str, String)>) -> Parcel {
        let first = header(self.delivery, FIRST_FAILED_AT).unwrap_or_else(|| Utc::now().to_rfc3339());
        let mut headers = vec![(ATTEMPT, attempt.to_string()), (FIRST_FAILED_AT, first)];
        headers.extend(header(self.delivery, "traceparent").map(|parent| ("traceparent", parent)));
        headers.extend(header(self.delivery, REDRIVEN).map(|times| (REDRIVEN, times)));
        headers.extend(why);
        Parcel {
            exchange: exchange::DEAD_LETTERS.to_owned(),
            key,
            id: message_id(self.delivery),
            body: self.delivery.data.clone(),
            headers,
        }
    }
}

pub(crate) fn message_id(delivery: &Delivery) -> String {
    delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}

/// A header as text, whichever of the protocol's types it came in.
pub(crate) fn header(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        _ => None,
    }
}

fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(err) = cause {
        let _ = write!(text, ": {err}");
        cause = err.source();
    }
    text
}

/// Whether it was the database that was away: no connection, a server that stops, starts or has no room.
fn is_away(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
        Some(sqlx::Error::Database(err)) => {
            err.code().is_some_and(|code| ["08", "53", "57P"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use events::topology::CATALOG_MINTS_CREATED as QUEUE;
    use lapin::{BasicProperties, types::FieldTable};

    use super::*;

    fn delivery(attempt: usize, body: &str) -> Delivery {
        let mut headers = FieldTable::default();
        headers.insert(ATTEMPT.into(), AMQPValue::LongString(attempt.to_string().into()));
        headers.insert("x-death".into(), AMQPValue::LongString("the broker's own".into()));
        let mut delivery = Delivery::mock(1, "".into(), QUEUE.name.into(), false, body.as_bytes().to_vec());
        delivery.properties = BasicProperties::default().with_message_id("m".into()).with_headers(headers);
        delivery
    }

    #[test]
    fn four_more_attempts_and_then_the_dead_queue() {
        for attempt in 0..4 {
            let delivery = delivery(attempt, "{}");
            let (received, _) = Received::read(&QUEUE, &delivery);
            let settlement = received.judge(Err(Failure::Retry(anyhow!("down").context("cannot apply"))));
            let parcels = received.parcels(&settlement);
            assert_eq!(parcels[0].key, format!("catalog.mints.created.retry.{}", attempt + 1));
            assert!(parcels[0].headers.contains(&(ATTEMPT, (attempt + 1).to_string())));
            assert!(parcels[0].headers.contains(&(ERROR, "cannot apply: down".to_owned())));
            assert!(!parcels[0].headers.iter().any(|(name, _)| *name == "x-death"));
        }
        let delivery = delivery(4, "{}");
        let (received, _) = Received::read(&QUEUE, &delivery);
        let parcels = received.parcels(&received.judge(Err(Failure::Retry(anyhow!("down")))));
        assert_eq!(parcels[0].key, "catalog.mints.created.dead");
        assert!(parcels[0].headers.contains(&(REASON, "attempts_exhausted".to_owned())));
    }

    #[test]
    fn a_message_is_never_dead_for_what_was_away() {
        let gone = || anyhow::Error::from(sqlx::Error::PoolTimedOut).context("the database failed");
        for failure in [Failure::Away(anyhow!("Redis is away")), Failure::Retry(gone())] {
            let delivery = delivery(4, "{}");
            let (received, _) = Received::read(&QUEUE, &delivery);
            let parcels = received.parcels(&received.judge(Err(failure)));
            assert_eq!(parcels[0].key, "catalog.mints.created.retry.1");
            assert!(parcels[0].headers.contains(&(ATTEMPT, "4".to_owned())));
        }
    }

    #[test]
    fn a_bad_element_goes_alone_and_keeps_fields_that_nobody_here_knows() {
        let delivery =
            delivery(0, r#"{"id":"e","later":1,"data":{"block":7,"events":[{"a":0},{"a":1},{"a":2}]}}"#);
        let (received, _) = Received::read(&QUEUE, &delivery);
        let bad = DeadElement { index: 1, reason: "malformed", error: "no b".to_owned() };
        let absent = DeadElement { index: 9, reason: "malformed", error: "no b".to_owned() };
        let parcels = received.parcels(&received.judge(Ok(Handled { dead: vec![bad, absent] })));
        assert_eq!(parcels.len(), 1);
        assert_eq!((parcels[0].key.as_str(), parcels[0].id.as_str()), ("catalog.mints.created.dead", "e#1"));
        let body: Value = serde_json::from_slice(&parcels[0].body).expect("JSON");
        assert_eq!(body, serde_json::json!({"id":"e#1","later":1,"data":{"block":7,"events":[{"a":1}]}}));
    }
}
