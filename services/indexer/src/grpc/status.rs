//! Calls about how far chains have been read.
//!
//! What is committed comes from the database and is the same whoever answers. What only the process knows that follows
//! a chain is said by that process alone: another one says that it stands by, and tells of no rate, no error and no
//! endpoint. The head it tells is that of the row, which who follows keeps fresh.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chains::Chains;
use futures::stream;
use ids::ChainId;
use proto::indexer::v1 as pb;
use rpc::{Code, Refusal};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};

use super::{Answers, Door, parse_any, timestamp};
use crate::{
    error::Error,
    model::Checkpoint,
    progress::{Progress, Seen, State, seconds_between},
    store::{self, Stores, status::Beside},
};

/// Between two looks for all watchers together.
const LOOKS_EVERY: Duration = Duration::from_millis(400);
/// Watchers of one process at most.
const MOST_WATCHERS: usize = 256;
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A row that nobody has written for so long and some blocks more is no word about the head as it is.
const FRESH: Duration = Duration::from_secs(15);
const FRESH_BLOCKS: u32 = 5;

type Checkpoints = Vec<pb::Checkpoint>;

/// Where the state of chains is looked up.
#[derive(Clone)]
pub(super) struct Looks {
    pub(super) stores: Stores,
    pub(super) chains: Chains,
    pub(super) progress: Progress,
}

impl Looks {
    /// One chain, or all where none is named.
    pub(super) async fn look(&self, asked: Option<ChainId>) -> Result<Checkpoints, Error> {
        let db = &self.stores.db;
        let rows = store::chain::list_checkpoints(db, asked).await?;
        let beside = store::status::list_beside(db, asked).await?;
        let mut jobs = super::job::open_jobs(db, asked).await?;
        let seen = self.progress.all();
        let known = self.chains.now();
        let chain = |chain_id: &ChainId| known.as_ref().and_then(|known| known.chains.get(chain_id));
        let mut told = BTreeMap::new();
        for row in rows {
            let (chain_id, seen) = (row.chain_id, seen.get(&row.chain_id));
            let block_time = chain(&chain_id).map(|chain| chain.block_time).unwrap_or_default();
            told.insert(chain_id, checkpoint(row, beside.get(&chain_id), seen, block_time));
        }
        // Of a chain that nobody has begun to read there is no row, and who tries to begin it tells why it has not.
        for (chain_id, seen) in &seen {
            if asked.is_none_or(|asked| asked == *chain_id) {
                told.entry(*chain_id).or_insert_with(|| not_begun(*chain_id, seen));
            }
        }
        for (chain_id, checkpoint) in &mut told {
            checkpoint.jobs = jobs.remove(chain_id).unwrap_or_default();
            // Who asks nothing cannot tell who answers.
            let is_asking = seen.get(chain_id).is_some_and(|seen| seen.state != State::StandingBy);
            let chain = chain(chain_id).filter(|_| is_asking);
            checkpoint.endpoints = chain.map(|chain| endpoints(&chain.node)).unwrap_or_default();
        }
        Ok(told.into_values().collect())
    }
}

fn checkpoint(
    mut row: Checkpoint,
    beside: Option<&Beside>,
    seen: Option<&Seen>,
    block_time: Duration,
) -> pb::Checkpoint {
    // The row tells of the head as of the last commit; who follows the chain may know a newer one.
    let newer = seen.and_then(|seen| seen.head).filter(|head| head.number > row.head.number);
    row.head = newer.unwrap_or(row.head);
    let (blocks_per_second, events_per_second) = seen.map(Seen::rates).unwrap_or_default();
    pb::Checkpoint {
        chain_id: row.chain_id.to_string(),
        live: row.is_live()
            && beside.is_some_and(|beside| beside.told_ago <= FRESH + block_time * FRESH_BLOCKS),
        reorgs: row.reorgs,
        halted: row.halted.is_some(),
        lag_blocks: row.lag(),
        lag_seconds: seconds_between(row.indexed, row.head),
        head: Some(row.head.into()),
        indexed: Some(row.indexed.into()),
        halted_reason: row.halted.unwrap_or_default(),
        safe_block: row.safe,
        finalized_block: row.finalized,
        blocks_per_second,
        events_per_second,
        commit_time: beside.and_then(|beside| beside.committed_at).map(timestamp),
        last_reorg_time: row.last_reorg_at.map(timestamp),
        last_reorg_depth: beside.map(|beside| beside.last_reorg_depth).unwrap_or_default(),
        state: state(seen).into(),
        error: seen.and_then(|seen| seen.error.clone()).unwrap_or_default(),
        endpoints: Vec::new(),
        jobs: Vec::new(),
        first_block: row.first_block.unwrap_or_default(),
    }
}

fn not_begun(chain_id: ChainId, seen: &Seen) -> pb::Checkpoint {
    pb::Checkpoint {
        chain_id: chain_id.to_string(),
        state: state(Some(seen)).into(),
        error: seen.error.clone().unwrap_or_default(),
        ..Default::default()
    }
}

fn state(seen: Option<&Seen>) -> pb::FollowState {
    match seen.map(|seen| seen.state) {
        None => pb::FollowState::Unspecified,
        Some(State::StandingBy) => pb::FollowState::StandingBy,
        Some(State::Starting) => pb::FollowState::Starting,
        Some(State::WaitingForContracts) => pb::FollowState::Waiting,
        Some(State::Following) => pb::FollowState::Following,
        Some(State::Halted) => pb::FollowState::Halted,
    }
}

fn endpoints(node: &evm::Node) -> Vec<pb::EndpointHealth> {
    let now = chrono::Utc::now();
    let told = |endpoint: evm::Health| pb::EndpointHealth {
        host: endpoint.host,
        in_use: endpoint.left.is_none(),
        left: endpoint.left.unwrap_or_default().to_owned(),
        back_time: endpoint.back_in.map(|back_in| timestamp(now + back_in)),
        head: endpoint.head.unwrap_or_default(),
        answers: endpoint.answers,
        failures: endpoint.failures,
        latency_millis: endpoint
            .latency
            .map_or(0, |took| u32::try_from(took.as_millis()).unwrap_or(u32::MAX)),
        subscribed: endpoint.is_subscribed,
    };
    node.health().into_iter().map(told).collect()
}

pub(super) async fn list_checkpoints(
    door: &Door,
    asked: pb::ListCheckpointsRequest,
) -> Result<Response<pb::ListCheckpointsResponse>, Status> {
    let chain_id = parse_any("chain_id", &asked.chain_id)?;
    let checkpoints = door.watchers.looks.look(chain_id).await?;
    Ok(Response::new(pb::ListCheckpointsResponse { checkpoints }))
}

pub(super) fn watch_checkpoints(
    door: &Door,
    asked: pb::WatchCheckpointsRequest,
) -> Result<Response<Answers<pb::WatchCheckpointsResponse>>, Status> {
    let chain_id = parse_any("chain_id", &asked.chain_id)?;
    let watcher = door.watchers.watcher(chain_id)?;
    let told = stream::unfold(watcher, async |mut watcher| {
        let next = watcher.next().await?;
        Some((next.map(|checkpoints| pb::WatchCheckpointsResponse { checkpoints }), watcher))
    });
    Ok(Response::new(Box::pin(told)))
}

/// What the one look for all watchers found; none where it failed.
type Newest = Option<Arc<Checkpoints>>;

/// Whoever wants to hear of changes. One task looks for all of them, and only while there are any.
pub(super) struct Watchers {
    looks: Looks,
    newest: watch::Sender<Newest>,
    wanted: Arc<Notify>,
    places: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Watchers {
    pub(super) fn new(looks: Looks, stopping: CancellationToken) -> Watchers {
        let (newest, wanted) = (watch::channel(None).0, Arc::new(Notify::new()));
        let task = keep_looking(looks.clone(), newest.clone(), Arc::clone(&wanted));
        let stopped = stopping.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(task).await });
        Watchers { looks, newest, wanted, places: Arc::new(Semaphore::new(MOST_WATCHERS)), stopping }
    }

    fn watcher(&self, chain_id: Option<ChainId>) -> Result<Watcher, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = "too many watch already";
            Refusal::new(Code::RateLimited, "RATE_LIMITED", message).retry_after(AGAIN_AFTER)
        })?;
        let mut newest = self.newest.subscribe();
        newest.mark_unchanged();
        self.wanted.notify_one();
        Ok(Watcher {
            chain_id,
            looks: self.looks.clone(),
            newest,
            told: None,
            stopping: self.stopping.clone(),
            _place: place,
        })
    }
}

async fn keep_looking(looks: Looks, newest: watch::Sender<Newest>, wanted: Arc<Notify>) {
    loop {
        if newest.receiver_count() == 0 {
            wanted.notified().await;
        }
        let found = looks.look(None).await.map(Arc::new);
        if let Err(err) = &found {
            tracing::warn!(error = %err, "the state of chains cannot be looked up for watchers");
        }
        // Each watcher knows what it was told and what is news to it: one that has just come may have seen another
        // state than this look and the one before.
        newest.send_replace(found.ok());
        tokio::time::sleep(LOOKS_EVERY).await;
    }
}

struct Watcher {
    chain_id: Option<ChainId>,
    looks: Looks,
    newest: watch::Receiver<Newest>,
    told: Option<Checkpoints>,
    stopping: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// What is now, at the first time; what is new, later. None at the end of the process.
    async fn next(&mut self) -> Option<Result<Checkpoints, Status>> {
        if self.told.is_none() {
            let now = match self.looks.look(self.chain_id).await {
                Ok(now) => now,
                Err(err) => return Some(Err(err.into())),
            };
            self.told = Some(now.clone());
            return Some(Ok(now));
        }
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return None,
                changed = self.newest.changed() => changed.ok()?,
            }
            let Some(newest) = self.newest.borrow_and_update().clone() else {
                let message = "the state of chains cannot be looked up now";
                let refusal = Refusal::new(Code::Unavailable, "UNAVAILABLE", message);
                return Some(Err(refusal.retry_after(AGAIN_AFTER).into()));
            };
            let named = self.chain_id.map(|chain_id| chain_id.to_string());
            let is_asked = |one: &&pb::Checkpoint| named.as_ref().is_none_or(|named| *named == one.chain_id);
            let now: Checkpoints = newest.iter().filter(is_asked).cloned().collect();
            if self.told.as_ref().is_none_or(|told| !is_same(told, &now)) {
                self.told = Some(now.clone());
                return Some(Ok(now));
            }
        }
    }
}

/// Whether nothing has happened in between: a rate that fades or a count of answers is no news.
fn is_same(before: &[pb::Checkpoint], now: &[pb::Checkpoint]) -> bool {
    before.len() == now.len() && before.iter().zip(now).all(|(before, now)| quiet(before) == quiet(now))
}

fn quiet(checkpoint: &pb::Checkpoint) -> pb::Checkpoint {
    let mut quiet = checkpoint.clone();
    // That it goes on or has come to rest is news.
    quiet.blocks_per_second = f64::from(u8::from(checkpoint.blocks_per_second > 0.0));
    quiet.events_per_second = f64::from(u8::from(checkpoint.events_per_second > 0.0));
    for endpoint in &mut quiet.endpoints {
        (endpoint.head, endpoint.answers, endpoint.failures, endpoint.latency_millis) = (0, 0, 0, 0);
        endpoint.back_time = None;
    }
    quiet
}
