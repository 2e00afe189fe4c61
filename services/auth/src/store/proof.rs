//! What contract accounts signed, and when a contract was last asked about it.

use chrono::{DateTime, TimeDelta, Utc};
use ids::{SessionId, UserId};
use sqlx::PgPool;

use super::Proof;

/// A session of a contract account with what the contract can be asked about.
pub(crate) struct Asked {
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) account_id: String,
    pub(crate) chain_id: String,
    pub(crate) method: String,
    pub(crate) verified_at: DateTime<Utc>,
    pub(crate) message: String,
    pub(crate) signature: Vec<u8>,
    /// The newest block as of which the contract stood by its answer.
    pub(crate) block_number: i64,
    /// What time it is where `verified_at` was written.
    pub(crate) now: DateTime<Utc>,
}

/// The proof behind a session.
pub(crate) async fn find_proof(db: &PgPool, session_id: SessionId) -> Result<Option<Asked>, sqlx::Error> {
    sqlx::query_as!(
        Asked,
        r#"select s.session_id as "session_id: SessionId", s.user_id as "user_id: UserId", s.account_id, s.chain_id,
                  s.verify_method as method, s.verified_at, p.message, p.signature, p.block_number, now() as "now!"
           from sessions s join session_proofs p using (session_id)
           where s.session_id = $1 and s.revoked_at is null"#,
        session_id.0,
    )
    .fetch_optional(db)
    .await
}

/// Sessions whose contract gave no answer for so long and was not asked since a time, the longest waiting first, on all
/// chains but these.
pub(crate) async fn list_due_proofs(
    db: &PgPool,
    older_than: TimeDelta,
    asked_before: DateTime<Utc>,
    but_on: &[String],
    limit: i64,
) -> Result<Vec<Asked>, sqlx::Error> {
    sqlx::query_as!(
        Asked,
        r#"select s.session_id as "session_id: SessionId", s.user_id as "user_id: UserId", s.account_id, s.chain_id,
                  s.verify_method as method, s.verified_at, p.message, p.signature, p.block_number, now() as "now!"
           from sessions s join session_proofs p using (session_id)
           where s.revoked_at is null and s.verify_method <> 'eoa' and s.expires_at > now()
             and s.verified_at < now() - make_interval(secs => $1)
             and p.asked_at < $2 and s.chain_id <> all($3)
           order by p.asked_at, s.session_id limit $4"#,
        older_than.as_seconds_f64(),
        asked_before,
        but_on,
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
        "with asked as (
             update session_proofs set asked_at = now(), block_number = greatest(block_number, $3),
                 block_hash = case when $3 >= block_number then $2 else block_hash end
             where session_id = $1
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

/// The contract was asked in vain.
pub(crate) async fn mark_asked(db: &PgPool, session_id: SessionId) -> Result<(), sqlx::Error> {
    sqlx::query!("update session_proofs set asked_at = now() where session_id = $1", session_id.0)
        .execute(db)
        .await?;
    Ok(())
}

/// Something that one process does at a time, for so long at most. False if another one does it.
pub(crate) async fn take_lease(db: &PgPool, what: &str, life: TimeDelta) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "insert into leases (what, held_until) values ($1, now() + make_interval(secs => $2))
         on conflict on constraint leases_pkey do update set held_until = excluded.held_until
         where leases.held_until <= now()",
        what,
        life.as_seconds_f64(),
    )
    .execute(db)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// It is done before its time.
pub(crate) async fn end_lease(db: &PgPool, what: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("update leases set held_until = now() where what = $1", what).execute(db).await?;
    Ok(())
}
