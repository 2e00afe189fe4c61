//! Hands messages to the broker and waits until it has them: confirmed, mandatory, hundreds in flight, with a deadline.

use std::{
    collections::{HashSet, VecDeque},
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use events::Message;
use futures::FutureExt;
use lapin::{
    BasicProperties, Channel, Confirmation, ErrorKind, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    connect::{Bus, Link, ended},
    metrics,
};

/// How many messages of one batch wait for their confirmation at once.
const WINDOW: usize = 256;
/// How many batches go out at once, each on a channel of its own.
const BATCHES: usize = 8;
/// After this a message that is not confirmed counts as not sent.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
const PERSISTENT: u8 = 2;
/// A header longer than this helps nobody and could outgrow a frame.
const HEADER_MAX_CHARS: usize = 2_000;

/// Why a message does not count as published. It may be with the broker all the same: consumers know it by its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No queue takes this key: the topology is not what the code expects.
    #[error("no queue takes the message")]
    Unroutable,
    /// The broker had it and refused it.
    #[error("the broker refused the message")]
    Refused,
    /// The broker closed the channel over it: the exchange is not there or not ours, or the message is too large.
    #[error("the broker rejects the message: {0}")]
    Rejected(String),
    /// The exchange, the key or the id is longer than the protocol allows.
    #[error("a name is longer than 255 bytes")]
    TooLong,
    /// No confirmation came, since the connection or the channel broke.
    #[error("the broker is not reachable: {0}")]
    Unavailable(String),
    /// No confirmation came in time.
    #[error("the broker did not confirm in time")]
    TimedOut,
}

impl PublishError {
    fn label(&self) -> &'static str {
        match self {
            PublishError::Unroutable => "unroutable",
            PublishError::Refused => "refused",
            PublishError::Rejected(_) => "rejected",
            PublishError::TooLong => "too_long",
            PublishError::Unavailable(_) => "unavailable",
            PublishError::TimedOut => "timed_out",
        }
    }
}

impl Bus {
    /// Publishes messages and says of each whether the broker has it; the answers are in the order of the messages.
    ///
    /// For a store without transactions. Who has PostgreSQL writes to [`crate::outbox`] instead.
    pub async fn publish(&self, messages: &[Message]) -> Vec<Result<(), PublishError>> {
        let parcels: Vec<Parcel> = messages.iter().map(Parcel::of).collect();
        self.publisher().publish(&parcels, || {}).await
    }
}

/// A message as the protocol sees it.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) exchange: String,
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Parcel {
    fn of(message: &Message) -> Parcel {
        let mut envelope = message.envelope.clone();
        envelope.traceparent = envelope.traceparent.or_else(launch::trace::current_traceparent);
        Parcel {
            exchange: message.exchange.to_owned(),
            key: message.routing_key.clone(),
            headers: envelope.traceparent.iter().map(|parent| ("traceparent", parent.clone())).collect(),
            body: serde_json::to_vec(&envelope).expect("an envelope is JSON"),
            id: envelope.id,
        }
    }

    fn properties(&self) -> Result<BasicProperties, PublishError> {
        let mut headers = FieldTable::default();
        for (name, value) in &self.headers {
            let short: String = value.chars().take(HEADER_MAX_CHARS).collect();
            headers.insert((*name).into(), AMQPValue::LongString(short.into()));
        }
        Ok(BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/cloudevents+json".into())
            .with_message_id(short(&self.id)?)
            .with_headers(headers))
    }
}

fn short(text: &str) -> Result<ShortString, PublishError> {
    ShortString::try_new(text).map_err(|_| PublishError::TooLong)
}

/// Confirm-mode channels on the publishing connection, each used by one batch at a time.
pub(crate) struct Publisher {
    link: Link,
    idle: Mutex<Vec<Channel>>,
    batches: Semaphore,
}

impl Publisher {
    pub(crate) fn new(link: Link) -> Publisher {
        Publisher { link, idle: Mutex::default(), batches: Semaphore::new(BATCHES) }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Publishes a batch; `once_sent` is called when everything is written and something is not yet confirmed.
    pub(crate) async fn publish(
        &self,
        parcels: &[Parcel],
        once_sent: impl Fn(),
    ) -> Vec<Result<(), PublishError>> {
        if parcels.is_empty() {
            return Vec::new();
        }
        let deadline = Instant::now() + DEADLINE;
        let mut batch = Batch::new(parcels);
        let whole = async {
            let _permit =
                self.batches.acquire().await.map_err(|err| PublishError::Unavailable(err.to_string()))?;
            // A message that the broker rejects takes its channel with it, and what was unanswered on that. The rest is
            // halved until the culprit stands alone.
            let mut stretches: Vec<Range<usize>> = std::iter::once(0..parcels.len()).collect();
            while let Some(stretch) = stretches.pop() {
                let Err(broken) = self.send(&mut batch, stretch.clone(), &once_sent).await else { continue };
                let Broken::Rejected { why, is_of_key } = broken else { return Err(broken.into()) };
                let open: Vec<usize> = stretch.clone().filter(|at| batch.answers[*at].is_none()).collect();
                match open[..] {
                    [] => {}
                    [culprit] => batch.reject(culprit, &why, is_of_key),
                    [first, .., last] => {
                        let middle = open[open.len() / 2];
                        stretches.extend([middle..last + 1, first..middle]);
                    }
                }
            }
            Ok(())
        };
        let broken = match tokio::time::timeout_at(deadline, whole).await {
            Ok(Ok(())) => None,
            Ok(Err(err)) => Some(err),
            Err(_) => Some(PublishError::TimedOut),
        };
        let results = batch.results(broken);
        for (parcel, result) in parcels.iter().zip(&results) {
            let label = result.as_ref().map_or_else(PublishError::label, |()| "confirmed");
            metrics::PUBLISHED.with_label_values(&[parcel.exchange.as_str(), label]).inc();
        }
        results
    }

    /// Sends those of a stretch that have no answer yet, on one channel.
    async fn send(
        &self,
        batch: &mut Batch<'_>,
        stretch: Range<usize>,
        once_sent: &impl Fn(),
    ) -> Result<(), Broken> {
        let channel = self.channel().await?;
        let sent = tokio::select! {
            biased;
            sent = batch.send(&channel, stretch, once_sent) => sent,
            () = ended(&channel) => Err(PublishError::Unavailable("the connection is lost".to_owned()).into()),
        };
        // What was confirmed before the channel broke is not sent again.
        batch.keep_answers();
        sent?;
        // Only a channel that has answered for everything is used again: nothing of this batch can come back on it.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
        Ok(())
    }

    async fn channel(&self) -> Result<Channel, PublishError> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(channel) if channel.status().connected() => return Ok(channel),
                Some(_) => {}
                None => break,
            }
        }
        let channel = self.link.connected().await.create_channel().await.map_err(unavailable)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(unavailable)?;
        Ok(channel)
    }
}

fn unavailable(err: lapin::Error) -> PublishError {
    PublishError::Unavailable(err.to_string())
}

/// Why a channel can be used no more.
enum Broken {
    /// The broker closed it over one of the messages.
    Rejected {
        why: String,
        /// Whether it is the exchange or the key that is wrong, and so everything that has the same.
        is_of_key: bool,
    },
    Otherwise(PublishError),
}

impl From<PublishError> for Broken {
    fn from(err: PublishError) -> Broken {
        Broken::Otherwise(err)
    }
}

impl From<Broken> for PublishError {
    fn from(broken: Broken) -> PublishError {
        match broken {
            Broken::Rejected { why, .. } => PublishError::Rejected(why),
            Broken::Otherwise(err) => err,
        }
    }
}

impl From<lapin::Error> for Broken {
    fn from(err: lapin::Error) -> Broken {
        let ErrorKind::ProtocolError(said) = err.kind() else { return unavailable(err).into() };
        let AMQPErrorKind::Soft(kind) = said.kind() else { return unavailable(err).into() };
        let is_of_key = matches!(kind, AMQPSoftError::NOTFOUND | AMQPSoftError::ACCESSREFUSED);
        Broken::Rejected { why: said.get_message().to_string(), is_of_key }
    }
}

/// One batch on its way.
struct Batch<'a> {
    parcels: &'a [Parcel],
    answers: Vec<Option<Result<(), PublishError>>>,
    waiting: VecDeque<(usize, PublisherConfirm)>,
    /// What came back, by exchange, key and id. A return is matched by these and not by the confirmation that carried
    /// it: with many in flight the client library attaches it to whichever confirmation comes next.
    returned: HashSet<(String, String, String)>,
}

impl<'a> Batch<'a> {
    fn new(parcels: &'a [Parcel]) -> Batch<'a> {
        Batch {
            parcels,
            answers: vec![None; parcels.len()],
            waiting: VecDeque::new(),
            returned: HashSet::new(),
        }
    }

    async fn send(
        &mut self,
        channel: &Channel,
        stretch: Range<usize>,
        once_sent: &impl Fn(),
    ) -> Result<(), Broken> {
        let mut closed = None;
        for at in stretch {
            if self.answers[at].is_some() {
                continue;
            }
            let parcel = &self.parcels[at];
            if self.waiting.len() == WINDOW {
                self.confirm().await?;
            }
            let (exchange, key, properties) =
                match (short(&parcel.exchange), short(&parcel.key), parcel.properties()) {
                    (Ok(exchange), Ok(key), Ok(properties)) => (exchange, key, properties),
                    _ => {
                        self.answers[at] = Some(Err(PublishError::TooLong));
                        continue;
                    }
                };
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let confirm = channel.basic_publish(exchange, key, options, &parcel.body, properties).await;
            match confirm {
                Ok(confirm) => self.waiting.push_back((at, confirm)),
                Err(err) => {
                    closed = Some(err);
                    break;
                }
            }
        }
        once_sent();
        // If the channel is closed, those who wait know why.
        while !self.waiting.is_empty() {
            self.confirm().await?;
        }
        closed.map_or(Ok(()), |err| Err(err.into()))
    }

    /// Waits for the oldest message's confirmation. It leaves the window only with an answer, also when this is dropped.
    async fn confirm(&mut self) -> Result<(), Broken> {
        let Some((at, confirm)) = self.waiting.front_mut() else { return Ok(()) };
        let (at, outcome) = (*at, confirm.await);
        self.waiting.pop_front();
        self.record(at, outcome?);
        Ok(())
    }

    fn record(&mut self, at: usize, confirmation: Confirmation) {
        self.answers[at] = Some(match &confirmation {
            Confirmation::Ack(_) => Ok(()),
            Confirmation::Nack(_) => Err(PublishError::Refused),
            Confirmation::NotRequested => {
                Err(PublishError::Unavailable("the channel does not confirm".to_owned()))
            }
        });
        if let Some(returned) = confirmation.take_message() {
            let id = returned.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            self.returned.insert((returned.exchange.to_string(), returned.routing_key.to_string(), id));
        }
    }

    /// The one that the broker closes channels over, and those that would fare the same.
    fn reject(&mut self, culprit: usize, why: &str, is_of_key: bool) {
        let is_like = |parcel: &Parcel| {
            is_of_key
                && parcel.exchange == self.parcels[culprit].exchange
                && parcel.key == self.parcels[culprit].key
        };
        for (at, parcel) in self.parcels.iter().enumerate() {
            if at == culprit || (self.answers[at].is_none() && is_like(parcel)) {
                self.answers[at] = Some(Err(PublishError::Rejected(why.to_owned())));
            }
        }
    }

    /// A later confirmation may carry what an earlier one is about, so all that have come are read.
    fn keep_answers(&mut self) {
        for (at, confirm) in std::mem::take(&mut self.waiting) {
            if let Some(Ok(confirmation)) = confirm.now_or_never() {
                self.record(at, confirmation);
            }
        }
    }

    fn results(mut self, broken: Option<PublishError>) -> Vec<Result<(), PublishError>> {
        self.keep_answers();
        let unanswered = broken.unwrap_or(PublishError::TimedOut);
        let came_back = |parcel: &Parcel| {
            self.returned.contains(&(parcel.exchange.clone(), parcel.key.clone(), parcel.id.clone()))
        };
        self.parcels
            .iter()
            .zip(self.answers.iter())
            .map(|(parcel, answer)| match answer {
                Some(Ok(())) if came_back(parcel) => Err(PublishError::Unroutable),
                Some(answer) => answer.clone(),
                None => Err(unanswered.clone()),
            })
            .collect()
    }
}
