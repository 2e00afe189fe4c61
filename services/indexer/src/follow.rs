//! Every enabled chain has its worker: the registry says which there are, the lease says who follows them.

pub(crate) mod fetch;
pub(crate) mod fork;
pub(crate) mod lease;
mod position;
mod worker;

use std::{collections::HashMap, time::Duration};

use evm::Node;
use ids::ChainId;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::Follow,
    peers::Peers,
    progress::Progress,
    registry::{self, Chain, Known},
    store::Stores,
};
use worker::Worker;

struct Following {
    chain: watch::Sender<Chain>,
    node: Node,
    stop: CancellationToken,
}

/// Follows every chain of the registry until the process is told to stop. While the registry is away, what it said
/// last holds.
pub(crate) async fn follow(
    stores: Stores,
    peers: Peers,
    settings: Follow,
    progress: Progress,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let holder = Uuid::new_v4();
    let (mut known, mut following, mut tasks) =
        (Known::default(), HashMap::<ChainId, Following>::new(), JoinSet::new());
    let (mut is_registry_away, mut is_indexed) = (false, false);
    loop {
        if !is_indexed {
            // Only people look by it, so its absence is no reason to wait.
            is_indexed = stores.raw.create_indexes().await.is_ok();
        }
        match registry::refresh(&peers, &mut known).await {
            Ok(()) => is_registry_away = false,
            Err(err) if !is_registry_away => {
                is_registry_away = true;
                tracing::warn!(error = %err, "the registry does not answer, what it said last holds");
            }
            Err(_) => {}
        }
        following.retain(|chain_id, following| {
            let is_enabled = known.chains.contains_key(chain_id);
            if !is_enabled {
                following.stop.cancel();
                progress.forget(*chain_id);
            }
            is_enabled
        });
        for (chain_id, chain) in &known.chains {
            if let Some(following) = following.get(chain_id) {
                following.node.update_endpoints(chain.endpoints.clone());
                following.chain.send_if_modified(|current| {
                    let is_new = current != chain;
                    if is_new {
                        current.clone_from(chain);
                    }
                    is_new
                });
                continue;
            }
            let node = Node::new(*chain_id, chain.endpoints.clone());
            let (sender, receiver) = watch::channel(chain.clone());
            let stop = stopping.child_token();
            let worker =
                Worker::new(stores.clone(), node.clone(), receiver, settings.clone(), progress.clone());
            tasks.spawn(take_turns(*chain_id, worker, holder, settings.clone(), stop.clone()));
            following.insert(*chain_id, Following { chain: sender, node, stop });
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                // A worker ends only when it is told to; a panic is a bug that must be seen.
                ended?;
            }
            () = tokio::time::sleep(Duration::from_secs(settings.registry_poll_secs.max(1))) => {}
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
    let db = worker.db();
    loop {
        worker.stand_by();
        let lease = tokio::select! {
            lease = lease::acquire(&db, chain_id, holder, ttl) => lease,
            () = stop.cancelled() => return,
        };
        tokio::select! {
            () = worker.run(lease) => {}
            () = lease.keep(&db) => {}
            () = stop.cancelled() => {
                lease.release(&db).await;
                return;
            }
        }
    }
}
