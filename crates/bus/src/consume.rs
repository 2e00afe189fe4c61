//! Reads a queue and sees to it that each message ends acknowledged: applied, waiting for its next attempt, or dead.

use std::{panic::AssertUnwindSafe, time::Duration};

use anyhow::anyhow;
use chrono::{TimeDelta, Utc};
use events::{
    Envelope, NotThisFact,
    topology::{Mark, Queue},
};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use lapin::{
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use crate::{
    connect::{Bus, ended, pause},
    inbox, metrics,
    settle::{Received, Settlement},
};

/// How many messages the broker hands out ahead; each of them is requeued when the process dies.
const PREFETCH: u16 = 32;
/// A handler that takes longer has hung; the message gets its next attempt.
const HANDLER_DEADLINE: Duration = Duration::from_secs(60);
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// What became of a message that was handled: applied, but for these elements.
#[derive(Debug, Default)]
pub struct Handled {
    /// Elements of a batch that can never be applied. Each goes to the dead queue as a message of its own.
    pub dead: Vec<DeadElement>,
}

impl Handled {
    /// Everything was applied.
    pub fn all() -> Handled {
        Handled::default()
    }
}

/// An element of a batch that can never be applied.
#[derive(Debug)]
pub struct DeadElement {
    /// Its place in `data.events`.
    pub index: usize,
    /// A word for counting.
    pub reason: &'static str,
    /// What was wrong.
    pub error: String,
}

/// Why a message was not handled. Any error converts with `?`: one that says the message is of another type or
/// malformed becomes [`Failure::Never`], every other [`Failure::Retry`].
#[derive(Debug)]
pub enum Failure {
    /// It may succeed later: four more attempts, at growing distances. A database that is away is recognised by its
    /// error and treated as [`Failure::Away`].
    Retry(anyhow::Error),
    /// What it needs is away: it is tried again for as long as that lasts, and never dead for it.
    Away(anyhow::Error),
    /// It can never succeed: to the dead queue at once.
    Never {
        /// A word for counting.
        reason: &'static str,
        /// What was wrong.
        error: anyhow::Error,
    },
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        let error = error.into();
        match error.downcast_ref::<NotThisFact>() {
            Some(NotThisFact::OtherType { .. }) => Failure::Never { reason: "unknown_type", error },
            Some(NotThisFact::Malformed { .. }) => Failure::Never { reason: "malformed", error },
            None => Failure::Retry(error),
        }
    }
}

/// Consumes a queue until told to stop, one message at a time. The handler's effect and mark are in one transaction;
/// the message is acknowledged after the handler returns.
pub async fn consume<H, F>(
    bus: Bus,
    queue: &'static Queue,
    handler: H,
    stopping: CancellationToken,
) -> anyhow::Result<()>
where
    H: Fn(Envelope) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Handled, Failure>> + Send,
{
    consume_many(bus, queue, 1, handler, stopping).await
}

/// Like [`consume`], with up to `concurrency` messages in hand at once.
pub async fn consume_many<H, F>(
    bus: Bus,
    queue: &'static Queue,
    concurrency: usize,
    handler: H,
    stopping: CancellationToken,
) -> anyhow::Result<()>
where
    H: Fn(Envelope) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Handled, Failure>> + Send,
{
    let consumer =
        Consumer { bus, queue, concurrency: concurrency.clamp(1, PREFETCH.into()), handler, stopping };
    consumer.bus.note(queue.name, Err("not consuming yet".to_owned()));
    let mut failures = 0;
    loop {
        match consumer.session(&mut failures).await {
            Ok(()) => return Ok(()),
            Err(err) => {
                failures += 1;
                consumer.bus.note(queue.name, Err(err.to_string()));
                warn!(queue = queue.name, failures, error = %format!("{err:#}"), "consumer lost its queue");
            }
        }
        tokio::select! {
            () = consumer.stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause(failures)) => {}
        }
    }
}

struct Consumer<H> {
    bus: Bus,
    queue: &'static Queue,
    concurrency: usize,
    handler: H,
    stopping: CancellationToken,
}

impl<H, F> Consumer<H>
where
    H: Fn(Envelope) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Handled, Failure>> + Send,
{
    /// Consumes on one channel. Ends with `Ok` when told to stop, with an error when the channel is gone.
    async fn session(&self, failures: &mut u32) -> anyhow::Result<()> {
        let connection = tokio::select! {
            () = self.stopping.cancelled() => return Ok(()),
            connection = self.bus.consuming().connected() => connection,
        };
        let opening = async {
            let channel = connection.create_channel().await?;
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
            let (queue, tag) = (self.queue.name.into(), self.bus.name().into());
            let consumer = channel
                .basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default())
                .await?;
            Ok::<_, lapin::Error>((channel, consumer))
        };
        let (channel, mut deliveries) = tokio::time::timeout(ASK_WITHIN, opening)
            .await
            .map_err(|_| anyhow!("the broker does not answer"))??;
        *failures = 0;
        self.bus.note(self.queue.name, Ok(()));
        info!(queue = self.queue.name, "consuming");

        let mut in_hand = FuturesUnordered::new();
        let mut is_ending = false;
        let mut lost = std::pin::pin!(ended(&channel));
        loop {
            tokio::select! {
                biased;
                () = &mut lost => return Err(anyhow!("the connection is lost")),
                () = self.stopping.cancelled(), if !is_ending => {
                    is_ending = true;
                    // What was handed out and not begun returns to the queue when the channel closes.
                    let cancelling = channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
                    let _ = tokio::time::timeout(ASK_WITHIN, cancelling).await;
                }
                Some(done) = in_hand.next(), if !in_hand.is_empty() => done?,
                next = deliveries.next(), if !is_ending && in_hand.len() < self.concurrency => match next {
                    Some(delivery) => in_hand.push(self.attend(delivery?)),
                    None => return Err(anyhow!("the broker ended the consumer")),
                },
            }
            if is_ending && in_hand.is_empty() {
                let _ = tokio::time::timeout(ASK_WITHIN, channel.close(200, "done".into())).await;
                return Ok(());
            }
        }
    }

    /// Handles one message and acknowledges it, whatever came of it.
    async fn attend(&self, delivery: Delivery) -> anyhow::Result<()> {
        let (received, envelope) = Received::read(self.queue, &delivery);
        let settlement = match envelope {
            Err(err) => Settlement::dead("undecodable", err),
            Ok(envelope) if self.is_too_old(&envelope) => {
                Settlement::dead("too_old", format!("published at {}", envelope.time.to_rfc3339()))
            }
            Ok(envelope) => {
                let span = info_span!(
                    "consume",
                    queue = self.queue.name,
                    message.id = %envelope.id,
                    message.kind = %envelope.kind,
                    correlation.id = envelope.correlationid,
                    attempt = received.attempt,
                );
                if let Some(parent) = &envelope.traceparent {
                    launch::trace::continue_from(parent, &span);
                }
                let outcome = self.handle(envelope).instrument(span.clone()).await;
                span.in_scope(|| received.judge(outcome))
            }
        };
        self.carry_out(&received, &settlement).await?;
        launch::failpoint("consumer.effect_committed_unacked");
        delivery.ack(BasicAckOptions::default()).await?;
        metrics::CONSUMED.with_label_values(&[self.queue.name, settlement.label()]).inc();
        Ok(())
    }

    fn is_too_old(&self, envelope: &Envelope) -> bool {
        self.queue.mark == Mark::Inbox
            && Utc::now() - envelope.time > TimeDelta::days(inbox::REFUSED_AFTER_DAYS)
    }

    async fn handle(&self, envelope: Envelope) -> Result<Handled, Failure> {
        let timer = metrics::HANDLER_SECONDS.with_label_values(&[self.queue.name]).start_timer();
        // The state behind a panicking handler is a database transaction that rolls back.
        let handling = AssertUnwindSafe(async { (self.handler)(envelope).await }).catch_unwind();
        let outcome = tokio::time::timeout(HANDLER_DEADLINE, handling).await;
        timer.observe_duration();
        match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Failure::Retry(anyhow!("the handler panicked: {}", panic_text(&*panic)))),
            Err(_) => Err(Failure::Retry(anyhow!("the handler did not end in {HANDLER_DEADLINE:?}"))),
        }
    }

    /// Publishes what the settlement asks for; the original stays unacknowledged until the broker has the copies.
    async fn carry_out(&self, received: &Received<'_>, settlement: &Settlement) -> anyhow::Result<()> {
        let mut parcels = received.parcels(settlement);
        let mut failures = 0;
        while !parcels.is_empty() {
            let results = self.bus.publisher().publish(&parcels, || {}).await;
            let mut outcome = results.into_iter();
            let mut why = None;
            parcels.retain(|_| match outcome.next() {
                Some(Err(err)) => {
                    why = Some(err);
                    true
                }
                _ => false,
            });
            let Some(err) = why else { break };
            failures += 1;
            tracing::error!(queue = self.queue.name, failures, error = %err, "cannot put a failed message aside");
            tokio::select! {
                () = self.stopping.cancelled() => return Err(anyhow!("stopped before a failed message was put aside")),
                () = tokio::time::sleep(pause(failures)) => {}
            }
        }
        settlement.count(self.queue);
        Ok(())
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_tried_again_unless_it_says_that_the_message_is_wrong() {
        let wrong = || NotThisFact::Malformed { expected: "vitrine.a.b.v1", why: "missing field".to_owned() };
        let other =
            || NotThisFact::OtherType { expected: "vitrine.a.b.v1", found: "vitrine.a.b.v9".to_owned() };
        assert!(matches!(Failure::from(wrong()), Failure::Never { reason: "malformed", .. }));
        assert!(matches!(Failure::from(other()), Failure::Never { reason: "unknown_type", .. }));
        assert!(matches!(Failure::from(anyhow::Error::from(wrong())), Failure::Never { .. }));
        assert!(matches!(Failure::from(sqlx::Error::PoolTimedOut), Failure::Retry(_)));
        assert!(matches!(Failure::from(anyhow!("no")), Failure::Retry(_)));
    }
}
