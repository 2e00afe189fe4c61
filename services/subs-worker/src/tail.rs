//! One reader follows the end of the log for all watchers, so that a thousand streams cost one blocked connection.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    model::EntryId,
    store::{self, Log},
};

/// Where the log ends, as far as the follower has seen.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct End {
    pub(crate) epoch: String,
    pub(crate) last: EntryId,
}

/// The end of the log as watchers wait for it.
#[derive(Clone)]
pub(crate) struct Tail(watch::Sender<End>);

impl Tail {
    pub(crate) fn new() -> Tail {
        Tail(watch::Sender::new(End::default()))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<End> {
        self.0.subscribe()
    }
}

/// Follows until the process stops; a Redis that is away is waited for.
pub(crate) async fn follow(log: Log, tail: Tail, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            ended = follow_once(&log, &tail) => if let Err(err) = ended {
                tracing::warn!(error = %err, "delivery stream lost, trying again");
            },
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

async fn follow_once(log: &Log, tail: &Tail) -> Result<(), redis::RedisError> {
    let mut connection = log.blocking().await?;
    let extent = log.extent().await?;
    let mut end = End { epoch: extent.epoch, last: extent.last };
    tail.0.send_if_modified(|seen| std::mem::replace(seen, end.clone()) != end);
    loop {
        let newest = store::wait(&mut connection, end.last, Duration::from_secs(2)).await?;
        // A flushed Redis has another epoch, and ids that may be lower than the last one seen.
        match log.epoch().await? {
            Some(epoch) if epoch == end.epoch => {}
            _ => return Ok(()),
        }
        if let Some(last) = newest {
            end.last = last;
            tail.0.send_replace(end.clone());
        }
    }
}

/// Keeps the log inside its window.
pub(crate) async fn trim(log: Log, stopping: CancellationToken) -> anyhow::Result<()> {
    let mut every = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = every.tick() => match log.trim().await {
                Ok(0) => {}
                Ok(dropped) => tracing::info!(dropped, "delivery window moved on"),
                Err(err) => tracing::warn!(error = %err, "delivery window could not be trimmed"),
            },
        }
    }
}
