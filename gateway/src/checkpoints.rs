//! How far chains are read, as the indexer tells of it: one stream for all subscriptions of this replica, open only
//! while there are any.

use std::{sync::Arc, time::Duration};

use proto::indexer::v1::{Checkpoint, WatchCheckpointsRequest};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::peers::Peers;

/// The stream's first answer says what is now; one that does not bring it is no stream.
const OPENS_WITHIN: Duration = Duration::from_secs(3);
/// How long a subscription waits for what is now.
const FIRST_WITHIN: Duration = Duration::from_secs(5);
/// What was heard longer ago is not shown as what is: who watches is told that the indexer is away. A line that falls
/// silent says no more than that nothing is new; one that is dead is found out by its keep-alive, within half a minute.
const HOLDS_FOR: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// All checkpoints; none where the indexer is away.
type Known = Option<Arc<Vec<Checkpoint>>>;

/// What the indexer told last; clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    known: watch::Sender<Known>,
    wanted: Arc<Notify>,
}

/// The indexer does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away;

impl From<Away> for Status {
    fn from(_: Away) -> Status {
        Status::unavailable("the indexer does not answer")
    }
}

impl Checkpoints {
    pub(crate) fn new() -> Checkpoints {
        Checkpoints { known: watch::channel(None).0, wanted: Arc::default() }
    }

    /// One chain from now on.
    pub(crate) fn watch(&self, chain_id: ids::ChainId) -> Watching {
        let known = self.known.subscribe();
        self.wanted.notify_one();
        Watching { chain_id: chain_id.to_string(), known, is_open: false }
    }
}

/// One chain, as a subscription sees it.
pub(crate) struct Watching {
    chain_id: String,
    known: watch::Receiver<Known>,
    is_open: bool,
}

impl Watching {
    /// The chain as it is, then after each change of any; none where nobody has begun to read it.
    pub(crate) async fn next(&mut self) -> Result<Option<Checkpoint>, Away> {
        if self.is_open {
            self.known.changed().await.map_err(|_| Away)?;
        } else {
            let first = timeout(FIRST_WITHIN, self.known.wait_for(Option::is_some)).await;
            drop(first.map_err(|_| Away)?.map_err(|_| Away)?);
            self.is_open = true;
        }
        let known = self.known.borrow_and_update().clone().ok_or(Away)?;
        Ok(known.iter().find(|checkpoint| checkpoint.chain_id == self.chain_id).cloned())
    }
}

/// Hears the indexer for whoever watches, until the process stops.
pub(crate) async fn follow(
    checkpoints: Checkpoints,
    peers: Peers,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let following = async {
        let (mut wait, mut heard_at) = (FIRST_PAUSE, Instant::now());
        loop {
            if checkpoints.known.receiver_count() == 0 {
                // What was heard before a silence is not what is.
                checkpoints.known.send_replace(None);
                checkpoints.wanted.notified().await;
                (wait, heard_at) = (FIRST_PAUSE, Instant::now());
            }
            match hear(&checkpoints, &peers, &mut heard_at, &mut wait).await {
                Ok(()) => {}
                Err(status) => tracing::warn!(error = %status, "the indexer's stream broke, coming back"),
            }
            if heard_at.elapsed() > HOLDS_FOR {
                checkpoints.known.send_if_modified(|known| known.take().is_some());
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_PAUSE);
        }
    };
    stopping
        .run_until_cancelled(following)
        .await
        .map_or(Ok(()), |never: std::convert::Infallible| match never {})
}

/// One stream, for as long as it lasts and somebody watches.
async fn hear(
    checkpoints: &Checkpoints,
    peers: &Peers,
    heard_at: &mut Instant,
    wait: &mut Duration,
) -> Result<(), Status> {
    let late = |_| Status::deadline_exceeded("no checkpoint in time");
    let opens_by = Instant::now() + OPENS_WITHIN;
    let mut indexer = peers.indexer.clone();
    let stream = timeout_at(opens_by, indexer.watch_checkpoints(WatchCheckpointsRequest::default()));
    let mut stream = stream.await.map_err(late)??.into_inner();
    let mut next = timeout_at(opens_by, stream.message()).await.map_err(late)??;
    while let Some(told) = next {
        (*heard_at, *wait) = (Instant::now(), FIRST_PAUSE);
        checkpoints.known.send_replace(Some(Arc::new(told.checkpoints)));
        let later = tokio::select! {
            later = stream.message() => later,
            () = checkpoints.known.closed() => return Ok(()),
        };
        // Until now there was nothing new to hear.
        *heard_at = Instant::now();
        next = later?;
    }
    Ok(())
}
