//! One stream from the registry, and the newest snapshot that came over it.

use std::{sync::Arc, sync::LazyLock, time::Duration};

use ids::ChainId;
use prometheus::{IntGauge, register_int_gauge};
use proto::chainregistry::v1::{
    WatchSnapshotRequest, WatchSnapshotResponse, chain_registry_service_client::ChainRegistryServiceClient,
};
use rand::Rng;
use rpc::Channel;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{Chain, Snapshot};

/// How long a question waits for the first snapshot of a process that has just begun.
const FIRST_WITHIN: Duration = Duration::from_millis(1500);
/// The stream's first message says what is now; one that does not bring it is no stream.
const OPENS_WITHIN: Duration = Duration::from_secs(3);
/// Thirty chains with all the contracts that the registry lets them have.
const MESSAGE_MOST: usize = 16 * 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

static VERSION: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("chains_registry_version", "The registry's version that this process goes by.")
        .expect("each metric is registered once")
});
static IS_WATCHED: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("chains_registry_watched", "1 while the registry tells this process of its changes.")
        .expect("each metric is registered once")
});

/// Why a chain is not told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lookup {
    /// The registry does not have it.
    #[error("the registry knows no such chain")]
    Unknown,
    /// The registry has told this process nothing yet.
    #[error("the chain registry has not answered yet")]
    Unavailable,
}

type Known = Option<Arc<Snapshot>>;

/// Every chain of the registry. Clones share what is known.
#[derive(Clone, Debug)]
pub struct Chains {
    known: watch::Receiver<Known>,
}

impl Chains {
    /// The chains, and the task that keeps them up to date until it is told to stop.
    pub fn watch(
        registry: ChainRegistryServiceClient<Channel>,
        stopping: CancellationToken,
    ) -> (Chains, impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (teller, known) = watch::channel(None);
        (Chains { known }, follow(registry.max_decoding_message_size(MESSAGE_MOST), teller, stopping))
    }

    /// A chain, enabled or not. Waits a moment where nothing is known yet.
    pub async fn get(&self, chain_id: ChainId) -> Result<Arc<Chain>, Lookup> {
        let snapshot = self.snapshot().await?;
        snapshot.chains.get(&chain_id).map(Arc::clone).ok_or(Lookup::Unknown)
    }

    /// The enabled chains. Waits a moment where nothing is known yet.
    pub async fn enabled(&self) -> Result<Vec<Arc<Chain>>, Lookup> {
        let snapshot = self.snapshot().await?;
        Ok(snapshot.chains.values().filter(|chain| chain.is_enabled).map(Arc::clone).collect())
    }

    /// All chains as one version has them. Waits a moment where nothing is known yet.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Lookup> {
        let mut known = self.known.clone();
        let first = known.wait_for(Option::is_some);
        match timeout(FIRST_WITHIN, first).await {
            Ok(Ok(snapshot)) => snapshot.clone().ok_or(Lookup::Unavailable),
            // The follower is gone, which happens at the end of a process, or has heard nothing.
            Ok(Err(_)) | Err(_) => self.now().ok_or(Lookup::Unavailable),
        }
    }

    /// What is known now, without waiting.
    pub fn now(&self) -> Option<Arc<Snapshot>> {
        self.known.borrow().clone()
    }

    /// Told of each snapshot; versions in between may be left out.
    pub fn changed(&self) -> watch::Receiver<Known> {
        self.known.clone()
    }
}

async fn follow(
    registry: ChainRegistryServiceClient<Channel>,
    teller: watch::Sender<Known>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    let mut is_told = false;
    loop {
        let ended = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            ended = follow_once(&registry, &teller, &mut pause, &mut is_told) => ended,
        };
        IS_WATCHED.set(0);
        if !is_told {
            // Once a break: the next attempts fail for the same reason.
            is_told = true;
            let why = ended.as_ref().err().map(Status::message);
            tracing::warn!(error = why, "the chain registry does not answer, what it said last holds");
        }
        // Every process lost the registry at the same moment, and not all need come back at one.
        let wait = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn follow_once(
    registry: &ChainRegistryServiceClient<Channel>,
    teller: &watch::Sender<Known>,
    pause: &mut Duration,
    is_told: &mut bool,
) -> Result<(), Status> {
    let late = |_| Status::deadline_exceeded("no snapshot in time");
    let mut registry = registry.clone();
    let mut stream = timeout(OPENS_WITHIN, registry.watch_snapshot(WatchSnapshotRequest {}))
        .await
        .map_err(late)??
        .into_inner();
    let first = timeout(OPENS_WITHIN, stream.message()).await.map_err(late)??;
    let Some(first) = first else { return Ok(()) };
    tell(teller, first);
    IS_WATCHED.set(1);
    (*pause, *is_told) = (FIRST_PAUSE, false);
    while let Some(next) = stream.message().await? {
        // The registry tells of what is another state alone, and knows better than a number which one came later: one that
        // was restored from a backup goes back, or comes to a version a second time.
        tell(teller, next);
    }
    Ok(())
}

fn tell(teller: &watch::Sender<Known>, wire: WatchSnapshotResponse) {
    let before = teller.borrow().clone();
    let snapshot = Snapshot::read(wire, before.as_deref());
    VERSION.set(i64::try_from(snapshot.version).unwrap_or(i64::MAX));
    tracing::debug!(registry.version = snapshot.version, "the registry told of its chains");
    teller.send_replace(Some(Arc::new(snapshot)));
}
