//! Keeps two connections to the broker, one to publish and one to consume, and brings them back when they break.
//!
//! The client library can recover by itself, but its recovery does not survive a restart of the broker; so a task of
//! ours watches each connection and opens another one when it is gone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use launch::Secret;
use rand::Rng;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::publish::Publisher;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a connection that says nothing is asked whether it still stands.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const HEARTBEAT_SECS: u16 = 10;

/// The process's way to the broker. Clones share the connections; the last one dropped closes them.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    consuming: Link,
    publisher: Publisher,
    queues: Arc<Queues>,
    _over: DropGuard,
}

/// What each consumer last said about its queue, for the readiness check.
type Queues = Mutex<BTreeMap<&'static str, Result<(), String>>>;

impl Bus {
    /// Starts to connect and registers the readiness check "amqp"; never fails, since the broker may come later.
    pub fn connect(url: &Secret, process: &mut launch::Process) -> Bus {
        let bus = Bus::open(url, process.name());
        let publishing = bus.inner.publisher.link().clone();
        let consuming = bus.inner.consuming.clone();
        let queues = Arc::clone(&bus.inner.queues);
        process.ready("amqp", move || {
            let answer = health(&publishing, &consuming, &queues);
            async move { answer }.boxed()
        });
        bus
    }

    /// Starts to connect under a name of the caller's, for programs that are no service.
    pub fn open(url: &Secret, name: &str) -> Bus {
        let over = CancellationToken::new();
        let publishing = Link::supervised(url.clone(), format!("{name} publishing"), over.clone());
        let consuming = Link::supervised(url.clone(), format!("{name} consuming"), over.clone());
        Bus {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                consuming,
                publisher: Publisher::new(publishing),
                queues: Arc::default(),
                _over: over.drop_guard(),
            }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn consuming(&self) -> &Link {
        &self.inner.consuming
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.inner.publisher
    }

    /// Remembers how a consumer stands with its queue.
    pub(crate) fn note(&self, queue: &'static str, state: Result<(), String>) {
        self.inner.queues.lock().unwrap_or_else(PoisonError::into_inner).insert(queue, state);
    }
}

fn health(publishing: &Link, consuming: &Link, queues: &Queues) -> Result<serde_json::Value, String> {
    for link in [publishing, consuming] {
        if !link.is_up() {
            return Err(format!("{} is not connected", link.name));
        }
    }
    consuming_all(queues)
}

fn consuming_all(queues: &Queues) -> Result<serde_json::Value, String> {
    let queues = queues.lock().unwrap_or_else(PoisonError::into_inner);
    for (queue, state) in queues.iter() {
        state.as_ref().map_err(|why| format!("{queue}: {why}"))?;
    }
    Ok(serde_json::json!({ "queues": queues.keys().collect::<Vec<_>>() }))
}

/// One supervised connection.
#[derive(Clone)]
pub(crate) struct Link {
    name: Arc<str>,
    current: watch::Receiver<Option<Arc<Connection>>>,
}

impl Link {
    fn supervised(url: Secret, name: String, over: CancellationToken) -> Link {
        let (sender, current) = watch::channel(None);
        let name: Arc<str> = name.into();
        tokio::spawn(supervise(url, Arc::clone(&name), sender, over));
        Link { name, current }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|connection| connection.status().connected())
    }

    /// The connection that stands now, or the next one that does; ask with a deadline.
    pub(crate) async fn connected(&self) -> Arc<Connection> {
        let mut current = self.current.clone();
        loop {
            let standing = current.wait_for(Option::is_some).await.ok().and_then(|now| now.clone());
            match standing {
                Some(connection) if connection.status().connected() => return connection,
                // The supervisor has not noticed yet, or has ended with its bus.
                _ => tokio::time::sleep(FIRST_PAUSE).await,
            }
        }
    }
}

async fn supervise(
    url: Secret,
    name: Arc<str>,
    current: watch::Sender<Option<Arc<Connection>>>,
    over: CancellationToken,
) {
    let mut failures = 0;
    while !over.is_cancelled() {
        match open(&url, &name).await {
            Ok(connection) => {
                failures = 0;
                let connection = Arc::new(connection);
                info!(connection = %name, "connected to the broker");
                current.send_replace(Some(Arc::clone(&connection)));
                stands(&connection, &over).await;
                current.send_replace(None);
                if over.is_cancelled() {
                    let _ = tokio::time::timeout(CONNECT_WITHIN, connection.close(200, "done".into())).await;
                    return;
                }
                warn!(connection = %name, "lost the broker");
            }
            Err(err) => {
                failures += 1;
                warn!(connection = %name, failures, error = %err, "cannot reach the broker");
            }
        }
        tokio::select! {
            () = over.cancelled() => return,
            () = tokio::time::sleep(pause(failures)) => {}
        }
    }
}

/// Opens a connection that this module does not watch, for one-off work.
pub(crate) async fn open(url: &Secret, name: &str) -> anyhow::Result<Connection> {
    // The library's message repeats the URL, and with it the password.
    let mut uri: AMQPUri = url.expose().parse().map_err(|_| anyhow::anyhow!("the AMQP URL is malformed"))?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let opening = Connection::connect_uri(uri, properties);
    Ok(tokio::time::timeout(CONNECT_WITHIN, opening).await.map_err(|_| anyhow::anyhow!("timed out"))??)
}

/// Returns when the connection has ended, or should.
async fn stands(connection: &Connection, over: &CancellationToken) {
    while connection.status().connected() && !over.is_cancelled() {
        tokio::select! {
            () = over.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Returns when the channel has ended. What waits on a channel is raced against this: a connection that breaks at the
/// wrong moment leaves an acknowledgement or a consumer of the client library waiting for ever.
pub(crate) async fn ended(channel: &Channel) {
    while channel.status().connected() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How long to wait after so many failures in a row: doubling, bounded, and never in step with others.
pub(crate) fn pause(failures: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_with_two_connections_and_all_its_queues() {
        let (_sender, current) = watch::channel(None);
        let link = Link { name: "wallet consuming".into(), current };
        let queues = Queues::default();
        assert_eq!(health(&link, &link, &queues), Err("wallet consuming is not connected".to_owned()));
        queues.lock().expect("not poisoned").insert("a.b.c", Err("no queue".to_owned()));
        assert_eq!(consuming_all(&queues), Err("a.b.c: no queue".to_owned()));
        queues.lock().expect("not poisoned").insert("a.b.c", Ok(()));
        assert_eq!(consuming_all(&queues), Ok(serde_json::json!({ "queues": ["a.b.c"] })));
    }

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        assert!(pause(0) <= FIRST_PAUSE && pause(0) >= FIRST_PAUSE / 2);
        assert!((0..200).all(|failures| pause(failures) <= LONGEST_PAUSE));
        assert!(pause(40) >= LONGEST_PAUSE / 2);
        let many: std::collections::BTreeSet<Duration> = (0..20).map(|_| pause(40)).collect();
        assert!(many.len() > 10);
    }
}
