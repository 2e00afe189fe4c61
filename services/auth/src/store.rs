//! Everything that auth says to its stores, one function a statement: here nonces and keys, beside it the rest.

mod mirror;
mod people;
mod session;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool};

pub(crate) use mirror::Mirror;
pub(crate) use people::{
    find_owner, insert_account, lock_owner, lock_standing, unlink_account, upsert_roles, upsert_status,
};
pub(crate) use session::{
    Ended, NewSession, find_session, insert_login_event, insert_refresh_token, insert_revocation,
    insert_session, list_revoked_alive, revoke_by_ids, revoke_of_account, revoke_of_user,
};

use crate::signing_key::StoredKey;

/// What a nonce was bound to when it was issued.
pub(crate) struct Burned {
    pub(crate) account_id: Option<String>,
    pub(crate) chain_id: Option<String>,
}

/// Issues a nonce; the database's clock decides about its end, then and later.
pub(crate) async fn insert_nonce(
    db: &PgPool,
    nonce: &str,
    domain: &str,
    life: TimeDelta,
) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into auth_nonces (nonce, domain, expires_at)
         values ($1, $2, now() + make_interval(secs => $3)) returning expires_at",
        nonce,
        domain,
        life.as_seconds_f64(),
    )
    .fetch_one(db)
    .await
}

/// Uses a nonce up: of any number of callers at once one gets it.
pub(crate) async fn burn_nonce(db: &PgPool, nonce: &str) -> Result<Option<Burned>, sqlx::Error> {
    sqlx::query_as!(
        Burned,
        "update auth_nonces set used = true, used_at = now()
         where nonce = $1 and not used and expires_at > now() returning account_id, chain_id",
        nonce
    )
    .fetch_optional(db)
    .await
}

/// Whether a nonce was used; `None` if it was never issued.
pub(crate) async fn find_nonce_used(db: &PgPool, nonce: &str) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar!("select used from auth_nonces where nonce = $1", nonce).fetch_optional(db).await
}

/// Forgets nonces that ended a day ago, a bounded number at a time.
pub(crate) async fn delete_old_nonces(db: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from auth_nonces where nonce in
             (select nonce from auth_nonces where expires_at < now() - interval '1 day' limit 10000)"
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

/// Makes processes that look for a signing key wait for each other.
pub(crate) async fn lock_signing_keys(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('signing keys', 0))").execute(tx).await?;
    Ok(())
}

/// The newest key that may sign.
pub(crate) async fn find_signing_key(db: impl PgExecutor<'_>) -> Result<Option<StoredKey>, sqlx::Error> {
    sqlx::query_as!(
        StoredKey,
        "select kid, private_pem from signing_keys where retired_at is null and signs_from <= now()
         order by signs_from desc, kid limit 1"
    )
    .fetch_optional(db)
    .await
}

/// Keeps a key.
pub(crate) async fn insert_signing_key(
    tx: &mut PgConnection,
    key: &StoredKey,
    public: &serde_json::Value,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into signing_keys (kid, algorithm, private_pem, public_jwk) values ($1, 'RS256', $2, $3)",
        key.kid,
        key.private_pem,
        public,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The public halves of the keys whose signatures are still accepted, the newest first.
pub(crate) async fn list_public_keys(db: impl PgExecutor<'_>) -> Result<Vec<serde_json::Value>, sqlx::Error> {
    sqlx::query_scalar!(
        "select public_jwk from signing_keys where retired_at is null or retired_at > now() order by signs_from desc, kid"
    )
    .fetch_all(db)
    .await
}
