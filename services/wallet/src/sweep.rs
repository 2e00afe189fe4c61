//! Forgets what happened to wallets more than a year ago.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{error::Error, store};

const EVERY: Duration = Duration::from_secs(3600);
/// Short transactions, so that nobody waits for a sweep.
const AT_ONCE: i64 = 1000;
const ROUNDS_MAX: usize = 100;

/// Sweeps until told to stop. A sweep that fails is tried again at the next turn.
pub(crate) async fn run(db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        match sweep(&db, AT_ONCE).await {
            Ok(rows) => tracing::debug!(rows, "swept old activity"),
            Err(err) => tracing::warn!(error = %err, "could not sweep old activity"),
        }
    }
}

/// Deletes in steps of `at_once`; answers how many rows went.
async fn sweep(db: &PgPool, at_once: i64) -> Result<u64, Error> {
    let mut rows = 0;
    for _ in 0..ROUNDS_MAX {
        let gone = store::delete_old_activity(db, at_once).await?;
        rows += gone;
        if gone == 0 {
            break;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MIGRATOR;

    #[tokio::test]
    async fn a_year_is_kept_and_no_more() {
        let db = testkit::database(&MIGRATOR).await;
        for days in [1, 364, 367, 400, 800] {
            sqlx::query(
                "insert into wallet_activity (id, wallet_id, user_id, action, created_at)
                 values ($1, $1, $1, 'linked', now() - make_interval(days => $2))",
            )
            .bind(uuid::Uuid::now_v7())
            .bind(days)
            .execute(&db.pool)
            .await
            .unwrap();
        }
        assert_eq!(sweep(&db.pool, 2).await.unwrap(), 3);
        assert_eq!(sweep(&db.pool, 2).await.unwrap(), 0);
        let left: i64 =
            sqlx::query_scalar("select count(*) from wallet_activity").fetch_one(&db.pool).await.unwrap();
        assert_eq!(left, 2);
    }
}
