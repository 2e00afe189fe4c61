//! The tracker: takes the intents that are due, looks at each, gives it back. Several processes share the work by
//! claims in the database; a claim of one that died runs out. Each chain has places of its own, so that one that does
//! not answer keeps no other waiting.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ids::{ChainId, IntentId};
use tokio::{sync::Notify, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    look::{Follower, look},
    store,
};

/// Looks at once, of one chain.
const AT_ONCE: usize = 8;
/// More than a look can take.
const CLAIM_SECS: f64 = 12.0;
const FINISH_WITHIN: Duration = Duration::from_secs(3);
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Follows until `stopping`; what is in hand then has a moment to finish.
pub(crate) async fn follow(
    follower: Follower,
    woken: Arc<Notify>,
    every: Duration,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut swept_at = tokio::time::Instant::now();
    let mut looks: JoinSet<ChainId> = JoinSet::new();
    let mut taken: HashMap<ChainId, usize> = HashMap::new();
    while !stopping.is_cancelled() {
        while let Some(done) = looks.try_join_next() {
            give_back(&mut taken, done);
        }
        let is_more = match take(&follower, &mut looks, &mut taken).await {
            Ok(is_more) => is_more,
            Err(err) => {
                warn!(error = %err, "cannot claim intents");
                false
            }
        };
        if swept_at.elapsed() >= SWEEP_EVERY {
            swept_at = tokio::time::Instant::now();
            if let Err(err) = store::sweep(&follower.db).await {
                warn!(error = %err, "cannot sweep");
            }
        }
        tokio::select! {
            () = stopping.cancelled() => {}
            () = woken.notified() => {}
            // A place is free, and somebody may wait for it.
            Some(done) = looks.join_next(), if is_more => give_back(&mut taken, done),
            () = tokio::time::sleep(every) => {}
        }
    }
    // One that waits for a chain may be broken off anywhere: its claim runs out, and the next process looks anew.
    let finished = timeout(FINISH_WITHIN, async { while looks.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        warn!(looks = looks.len(), "left looks unfinished");
    }
    Ok(())
}

/// Starts as many looks as there are places; true where all places of some chain are taken.
async fn take(
    follower: &Follower,
    looks: &mut JoinSet<ChainId>,
    taken: &mut HashMap<ChainId, usize>,
) -> Result<bool, sqlx::Error> {
    let mut is_more = false;
    for chain_id in store::list_followed(&follower.db).await? {
        let places = taken.entry(chain_id).or_default();
        let free = AT_ONCE.saturating_sub(*places);
        if free > 0 {
            let limit = i64::try_from(free).unwrap_or(i64::MAX);
            for intent_id in store::claim_due(&follower.db, chain_id, limit, CLAIM_SECS).await? {
                *places += 1;
                let follower = follower.clone();
                looks.spawn(async move {
                    look_or_retry(&follower, intent_id).await;
                    chain_id
                });
            }
        }
        is_more |= *places >= AT_ONCE;
    }
    Ok(is_more)
}

fn give_back(taken: &mut HashMap<ChainId, usize>, done: Result<ChainId, tokio::task::JoinError>) {
    match done {
        Ok(chain_id) => {
            if let Some(places) = taken.get_mut(&chain_id) {
                *places = places.saturating_sub(1);
            }
        }
        // Whose place it was is not known any more: all are counted anew as their looks end.
        Err(err) => {
            warn!(error = %err, "a look broke off");
            taken.clear();
        }
    }
}

async fn look_or_retry(follower: &Follower, intent_id: IntentId) {
    // The futures of a look are large; one on the heap keeps the stack of the loop small.
    if let Err(err) = Box::pin(look(follower, intent_id)).await {
        warn!(intent.id = %intent_id, error = %format!("{err:#}"), "cannot look at an intent");
        if let Err(err) = store::release(&follower.db, intent_id).await {
            warn!(intent.id = %intent_id, error = %err, "cannot give an intent back");
        }
    }
}
