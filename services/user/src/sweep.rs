//! Forgets what nobody may ask for any more: answered requests after a day, the record after a year.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{error::Error, store};

const EVERY: Duration = Duration::from_secs(600);
/// Rows a statement: short enough that nobody waits for it.
const MOST: i64 = 1_000;

/// Sweeps until it is told to stop.
pub(crate) async fn sweep(db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        match sweep_once(&db).await {
            // There may be more.
            Ok(swept) if swept >= MOST as u64 => {}
            Ok(_) => {
                tokio::select! { () = stopping.cancelled() => {}, () = tokio::time::sleep(EVERY) => {} }
            }
            Err(err) => {
                tracing::warn!(error = %err, "cannot sweep");
                tokio::select! { () = stopping.cancelled() => {}, () = tokio::time::sleep(EVERY) => {} }
            }
        }
        if stopping.is_cancelled() {
            return Ok(());
        }
    }
}

async fn sweep_once(db: &PgPool) -> Result<u64, Error> {
    let requests = store::delete_old_requests(db, MOST).await?;
    Ok(requests.max(store::delete_old_audit(db, MOST).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MIGRATOR, ensure_user::ensure_user, model::Account};

    #[tokio::test]
    async fn old_requests_and_old_lines_of_the_record_go_and_younger_ones_stay() {
        let db = testkit::database(&MIGRATOR).await;
        let account = "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        let (user, _) = ensure_user(&db.pool, &Account::eoa(&account)).await.unwrap();
        for (table, ages) in [("requests", ["25 hours", "23 hours"]), ("audit", ["367 days", "364 days"])] {
            for (n, age) in ages.iter().enumerate() {
                let query = match table {
                    "requests" => {
                        "insert into profile_requests (user_id, request_id, request_hash, answer, created_at)
                         values ($1, $2::text, sha256(''), '{}', now() - $3::text::interval)"
                    }
                    _ => {
                        "insert into user_audit (id, user_id, actor, what, before, after, revision, created_at)
                         values (gen_random_uuid(), $1, 'operator', 'status', '', '', $2::int8, now() - $3::text::interval)"
                    }
                };
                let query = sqlx::query(query).bind(user.user_id.0);
                let query = if table == "audit" { query.bind(n as i64) } else { query.bind(n.to_string()) };
                query.bind(*age).execute(&db.pool).await.unwrap();
            }
        }
        sweep_once(&db.pool).await.unwrap();
        let left: (i64, i64) = sqlx::query_as(
            "select (select count(*) from profile_requests), (select count(*) from user_audit)",
        )
        .fetch_one(&db.pool)
        .await
        .unwrap();
        assert_eq!(left, (1, 1));
        for statement in ["update user_audit set reason = 'other'", "delete from user_audit"] {
            let refused = sqlx::query(statement).execute(&db.pool).await.unwrap_err();
            assert!(refused.to_string().contains("append only"), "{statement}");
        }
    }
}
