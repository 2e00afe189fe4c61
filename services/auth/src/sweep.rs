//! Forgets what is past: nonces, attempts, revocations, sessions, salts, keys. How long each may be asked about is said at
//! its statement.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store;

const EVERY: Duration = Duration::from_secs(60);
/// A table that has gathered much is swept over several turns: each statement is bounded, and so is their number.
const BATCHES_MAX: usize = 20;

/// Sweeps until told to stop. A sweep that fails is tried again at the next turn.
pub(crate) async fn run(db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        // A batch is done within a moment; only between two of them is there a stop.
        turn(&db, &stopping).await;
    }
}

async fn turn(db: &PgPool, stopping: &CancellationToken) {
    sweep("auth_nonces", stopping, || store::delete_old_nonces(db)).await;
    sweep("login_events", stopping, || store::delete_old_login_events(db)).await;
    sweep("session_revocations", stopping, || store::delete_old_revocations(db)).await;
    sweep("refresh_tokens", stopping, || store::forget_salts(db)).await;
    sweep("refresh_tokens", stopping, || store::delete_old_refresh_tokens(db)).await;
    sweep("sessions", stopping, || store::delete_old_sessions(db)).await;
    sweep("signing_keys", stopping, || store::delete_old_keys(db)).await;
}

async fn sweep<F>(table: &'static str, stopping: &CancellationToken, delete: impl Fn() -> F)
where
    F: Future<Output = Result<u64, sqlx::Error>>,
{
    let mut rows = 0;
    for _ in 0..BATCHES_MAX {
        if stopping.is_cancelled() {
            break;
        }
        match delete().await {
            Ok(0) => break,
            Ok(batch) => rows += batch,
            Err(err) => {
                tracing::warn!(table, error = %err, "could not sweep old rows");
                break;
            }
        }
    }
    tracing::debug!(table, rows, "swept old rows");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_old_goes_and_what_may_be_asked_about_stays() {
        let db = testkit::database(&crate::MIGRATOR).await;
        for statement in [
            "insert into auth_nonces (nonce, domain, expires_at)
             select 'n' || n, 'x', now() - make_interval(hours => n) from generate_series(1, 48) n",
            r#"insert into login_events (id, result, "timestamp")
               select gen_random_uuid(), 'success', now() - make_interval(days => n) from generate_series(1, 180) n"#,
            "insert into session_revocations (revocation_id, user_id, session_ids, reason, created_at)
             select gen_random_uuid(), gen_random_uuid(), '{}', 'revoked', now() - make_interval(hours => n)
             from generate_series(1, 48) n",
        ] {
            sqlx::query(statement).execute(&db.pool).await.unwrap();
        }
        let stopping = CancellationToken::new();
        turn(&db.pool, &stopping).await;
        let kept = async |table: &'static str| -> i64 {
            let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
            sqlx::query_scalar(count).fetch_one(&db.pool).await.unwrap()
        };
        assert_eq!(kept("auth_nonces").await, 23);
        assert_eq!(kept("login_events").await, 89);
        assert_eq!(kept("session_revocations").await, 23);
    }

    #[tokio::test]
    async fn sessions_go_a_month_after_their_end_with_all_that_is_theirs_and_salts_when_the_grace_is_over() {
        let db = testkit::database(&crate::MIGRATOR).await;
        // Sessions that were revoked or expired more than a month ago, less than that, and one that is alive.
        for statement in [
            "insert into sessions (session_id, user_id, account_id, identity, account_type, chain_id, refresh_hash,
                 expires_at, absolute_expires_at, access_expires_at, revoked_at, revoke_reason)
             select gen_random_uuid(), gen_random_uuid(), 'x', 'x', 'eoa', 'x', 'x', now() + make_interval(days => ends),
                 now(), now(), now() + make_interval(days => ended), case when ended is not null then 'revoked' end
             from (values (5, -35), (5, -25), (-35, null), (-25, null), (5, null)) as s (ends, ended)",
            "insert into refresh_tokens (token_id, family_id, session_id, token_hash, expires_at, used_at, successor_salt)
             select gen_random_uuid(), session_id, session_id, md5(session_id::text || ago), now(),
                 now() - make_interval(secs => ago), '\\x00'
             from sessions, (values (5), (120)) as u (ago)",
            "insert into session_proofs (session_id, message, signature, block_hash, block_number)
             select session_id, 'x', '\\x00', 'x', 1 from sessions",
            "insert into signing_keys (kid, algorithm, private_pem, public_jwk, retired_at)
             select n, 'RS256', 'x', '{}', now() - make_interval(days => n) from generate_series(1, 10) n",
        ] {
            sqlx::query(statement).execute(&db.pool).await.unwrap();
        }
        turn(&db.pool, &CancellationToken::new()).await;
        let kept = async |what: &'static str| -> i64 {
            let count = sqlx::AssertSqlSafe(format!("select count(*) from {what}"));
            sqlx::query_scalar(count).fetch_one(&db.pool).await.unwrap()
        };
        assert_eq!(kept("sessions").await, 3);
        assert_eq!(kept("session_proofs").await, 3);
        assert_eq!(
            kept("refresh_tokens").await,
            6,
            "the used ones stay with the session: a reuse is to be seen"
        );
        assert_eq!(kept("refresh_tokens where successor_salt is not null").await, 3);
        assert_eq!(kept("signing_keys").await, 6);
    }

    #[tokio::test]
    async fn the_tokens_of_a_long_session_go_in_batches_and_the_session_after_them() {
        let db = testkit::database(&crate::MIGRATOR).await;
        for statement in [
            "insert into sessions (session_id, user_id, account_id, identity, account_type, chain_id, refresh_hash,
                 expires_at, absolute_expires_at, access_expires_at)
             select gen_random_uuid(), gen_random_uuid(), 'x', 'x', 'eoa', 'x', 'x', now() - interval '31 days', now(), now()",
            "insert into refresh_tokens (token_id, family_id, session_id, token_hash, parent_id, created_at, expires_at)
             select lpad(n::text, 32, '0')::uuid, session_id, session_id, n,
                 case when n > 1 then lpad((n - 1)::text, 32, '0')::uuid end, now() + make_interval(secs => n), now()
             from sessions, generate_series(1, 7000) n",
        ] {
            sqlx::query(statement).execute(&db.pool).await.unwrap();
        }
        let kept = async || -> (i64, i64) {
            let count = "select (select count(*) from sessions), (select count(*) from refresh_tokens)";
            sqlx::query_as(count).fetch_one(&db.pool).await.unwrap()
        };
        assert_eq!(store::delete_old_sessions(&db.pool).await.unwrap(), 0);
        assert_eq!(store::delete_old_refresh_tokens(&db.pool).await.unwrap(), 5_000);
        assert_eq!(kept().await, (1, 2_000), "no token took others with it");
        turn(&db.pool, &CancellationToken::new()).await;
        assert_eq!(kept().await, (0, 0));
    }

    #[tokio::test]
    async fn a_table_that_gathered_much_is_swept_in_batches() {
        let db = testkit::database(&crate::MIGRATOR).await;
        let much = "insert into auth_nonces (nonce, domain, expires_at)
                    select 'n' || n, 'x', now() - interval '2 days' from generate_series(1, 12000) n";
        sqlx::query(much).execute(&db.pool).await.unwrap();
        assert_eq!(store::delete_old_nonces(&db.pool).await.unwrap(), 5_000);
        turn(&db.pool, &CancellationToken::new()).await;
        assert_eq!(store::delete_old_nonces(&db.pool).await.unwrap(), 0);
    }
}
