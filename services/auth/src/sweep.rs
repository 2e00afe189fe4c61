//! Forgets nonces that are long past: a day after their end nobody asks why one was refused.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store;

const EVERY: Duration = Duration::from_secs(600);

/// Sweeps until told to stop. A sweep that fails is tried again at the next turn.
pub(crate) async fn run(db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        match store::delete_old_nonces(&db).await {
            Ok(nonces) => tracing::debug!(nonces, "swept old nonces"),
            Err(err) => tracing::warn!(error = %err, "could not sweep old nonces"),
        }
    }
}
