//! What contract accounts signed, and when a contract was last asked about it.

use chrono::{DateTime, TimeDelta, Utc};
use ids::{SessionId, UserId};
use sqlx::{PgPool, Postgres, Transaction};

use super::Proof;

/// A session of a contract account with what the contract can be asked about.
pub(crate) struct Asked {
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) account_id: String,
    pub(crate) method: String,
    pub(crate) verified_at: DateTime<Utc>,
    pub(crate) message: String,
    pub(crate) signature: Vec<u8>,
    /// What time it is where `verified_at` was written.
    pub(crate) now: DateTime<Utc>,
}

/// The proof behind a session.
pub(crate) async fn find_proof(db: &PgPool, session_id: SessionId) -> Result<Option<Asked>, sqlx::Error> {
    sqlx::query_as!(
        Asked,
        r#"select s.session_id as "session_id: SessionId", s.user_id as "user_id: UserId", s.account_id,
                  s.verify_method as method, s.verified_at, p.message, p.signature, now() as "now!"
           from sessions s join session_proofs p using (session_id)
           where s.session_id = $1 and s.revoked_at is null"#,
        session_id.0,
    )
    .fetch_optional(db)
    .await
}

/// Sessions whose contract was not asked for so long, the longest first, from a place on.
pub(crate) async fn list_due_proofs(
    db: &PgPool,
    after: Option<(DateTime<Utc>, SessionId)>,
    older_than: TimeDelta,
    limit: i64,
) -> Result<Vec<Asked>, sqlx::Error> {
    sqlx::query_as!(
        Asked,
        r#"select s.session_id as "session_id: SessionId", s.user_id as "user_id: UserId", s.account_id,
                  s.verify_method as method, s.verified_at, p.message, p.signature, now() as "now!"
           from sessions s join session_proofs p using (session_id)
           where s.revoked_at is null and s.verify_method <> 'eoa' and s.expires_at > now()
             and s.verified_at < now() - make_interval(secs => $1)
             and ($2::timestamptz is null or (s.verified_at, s.session_id) > ($2, $3))
           order by s.verified_at, s.session_id limit $4"#,
        older_than.as_seconds_f64(),
        after.map(|(at, _)| at),
        after.map(|(_, id)| id.0),
        limit,
    )
    .fetch_all(db)
    .await
}

/// The contract was asked, and stands by its answer as of this block.
pub(crate) async fn mark_verified(
    db: &PgPool,
    session_id: SessionId,
    proof: &Proof,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with proof as (
             update session_proofs set block_hash = $2, block_number = $3 where session_id = $1
         )
         update sessions set verified_at = now() where session_id = $1",
        session_id.0,
        proof.block_hash,
        proof.block_number,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Something that one process does at a time; it lasts as long as what is returned. `None` if another one has it.
pub(crate) async fn take_lease(
    db: &PgPool,
    what: &str,
) -> Result<Option<Transaction<'static, Postgres>>, sqlx::Error> {
    let mut tx = db.begin().await?;
    // The server closes a transaction that idles; a turn that takes longer than its patience goes on without the lease.
    sqlx::query!("set local idle_in_transaction_session_timeout = '10min'").execute(&mut *tx).await?;
    let is_taken = sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as "is_taken!""#,
        what
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(is_taken.then_some(tx))
}
