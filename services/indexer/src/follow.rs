//! Every enabled chain has its worker: the registry says which there are, the lease says who follows them.

pub(crate) mod catch_up;
mod deep;
pub(crate) mod fetch;
pub(crate) mod followed;
pub(crate) mod fork;
pub(crate) mod lease;
pub(crate) mod position;
mod settle;
mod worker;

use std::{collections::HashMap, time::Duration};

use chains::Chains;
use ids::ChainId;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::Follow,
    jobs,
    progress::Progress,
    registry::{self, Chain},
    store::Stores,
};
use worker::Worker;

const INDEXES_AGAIN_AFTER: Duration = Duration::from_secs(5);

struct Following {
    chain: watch::Sender<Chain>,
    stop: CancellationToken,
}

/// Follows every chain of the registry until the process is told to stop. While the registry is away, what it said
/// last holds.
pub(crate) async fn follow(
    stores: Stores,
    chains: Chains,
    settings: Follow,
    progress: Progress,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let holder = Uuid::new_v4();
    let (mut following, mut tasks) = (HashMap::<ChainId, Following>::new(), JoinSet::new());
    let (mut changed, mut is_indexed) = (chains.changed(), false);
    loop {
        if !is_indexed {
            // Only people look by it, so its absence is no reason to wait.
            is_indexed = stores.raw.create_indexes().await.is_ok();
        }
        let known = changed.borrow_and_update().as_deref().map(registry::enabled).unwrap_or_default();
        following.retain(|chain_id, following| {
            let is_enabled = known.contains_key(chain_id);
            if !is_enabled {
                following.stop.cancel();
                progress.forget(*chain_id);
            }
            is_enabled
        });
        for (chain_id, (chain, node)) in known {
            if let Some(following) = following.get(&chain_id) {
                following.chain.send_if_modified(|current| {
                    let is_new = *current != chain;
                    if is_new {
                        *current = chain;
                    }
                    is_new
                });
                continue;
            }
            let (sender, receiver) = watch::channel(chain);
            let stop = stopping.child_token();
            let worker = Worker::new(stores.clone(), node, receiver, settings.clone(), progress.clone());
            tasks.spawn(take_turns(chain_id, worker, holder, settings.clone(), stop.clone()));
            following.insert(chain_id, Following { chain: sender, stop });
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                // A worker ends only when it is told to; a panic is a bug that must be seen.
                ended?;
            }
            Ok(()) = changed.changed() => {}
            () = tokio::time::sleep(INDEXES_AGAIN_AFTER), if !is_indexed => {}
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}

/// Waits for the lease, follows while it lasts, and waits again.
async fn take_turns(
    chain_id: ChainId,
    mut worker: Worker,
    holder: Uuid,
    settings: Follow,
    stop: CancellationToken,
) {
    let ttl = Duration::from_secs(settings.lease_secs.max(1));
    let (db, progress) = (worker.db(), worker.progress());
    let (stores, node, chain) = worker.for_jobs();
    loop {
        worker.stand_by();
        let lease = tokio::select! {
            lease = lease::acquire(&db, chain_id, holder, ttl, &progress) => lease,
            () = stop.cancelled() => return,
        };
        let jobs = jobs::work(stores.clone(), node.clone(), lease, chain.clone());
        tokio::select! {
            () = worker.run(lease) => {}
            never = jobs => match never {},
            () = lease.keep(&db, &progress) => {}
            () = stop.cancelled() => {
                lease.release(&db).await;
                return;
            }
        }
    }
}
