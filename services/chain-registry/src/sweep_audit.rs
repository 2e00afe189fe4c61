//! Forgets who changed what after a year.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::store;

const EVERY: Duration = Duration::from_secs(3600);
/// Rows a statement: short enough that nobody waits for it.
const MOST: i64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// Sweeps until it is told to stop.
pub(crate) async fn sweep_audit(db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        let swept = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            swept = timeout(PATIENCE, store::delete_old_audit(&db, MOST)) => swept,
        };
        match swept {
            // There may be more.
            Ok(Ok(swept)) if swept >= MOST.unsigned_abs() => continue,
            Ok(Ok(_)) => {}
            Ok(Err(err)) => tracing::warn!(error = %err, "cannot sweep the audit"),
            Err(_) => tracing::warn!("the audit is not swept in time"),
        }
        tokio::select! { () = stopping.cancelled() => return Ok(()), () = sleep(EVERY) => {} }
    }
}
