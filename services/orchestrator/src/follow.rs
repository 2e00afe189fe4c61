//! The tracker: takes the intents that are due, looks at each, gives it back. Several processes share the work by
//! claims in the database; a claim of one that died runs out.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    look::{Follower, look},
    store,
};

const AT_ONCE: usize = 8;
const BATCH: i64 = 32;
const CLAIM_SECS: f64 = 30.0;
const RETRY_SECS: f64 = 2.0;
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Follows until `stopping`; what is in hand then is finished.
pub(crate) async fn follow(
    follower: Follower,
    woken: Arc<Notify>,
    every: Duration,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut swept_at = tokio::time::Instant::now();
    while !stopping.is_cancelled() {
        match store::claim_due(&follower.db, BATCH, CLAIM_SECS).await {
            Ok(due) => {
                let is_more = i64::try_from(due.len()).is_ok_and(|taken| taken == BATCH);
                let looks = stream::iter(due).map(|intent_id| look_or_retry(&follower, intent_id));
                looks.buffer_unordered(AT_ONCE).for_each(async |()| {}).await;
                if is_more {
                    continue;
                }
            }
            Err(err) => warn!(error = %err, "cannot claim intents"),
        }
        if swept_at.elapsed() >= SWEEP_EVERY {
            swept_at = tokio::time::Instant::now();
            if let Err(err) = store::sweep(&follower.db).await {
                warn!(error = %err, "cannot sweep");
            }
        }
        tokio::select! {
            () = stopping.cancelled() => {}
            () = woken.notified() => {}
            () = tokio::time::sleep(every) => {}
        }
    }
    Ok(())
}

async fn look_or_retry(follower: &Follower, intent_id: ids::IntentId) {
    // The futures of a look are large; one on the heap keeps the stack of the loop small.
    if let Err(err) = Box::pin(look(follower, intent_id)).await {
        warn!(intent.id = %intent_id, error = %format!("{err:#}"), "cannot look at an intent");
        if let Err(err) = store::release(&follower.db, intent_id, RETRY_SECS).await {
            warn!(intent.id = %intent_id, error = %err, "cannot give an intent back");
        }
    }
}
