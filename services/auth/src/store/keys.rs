//! Signing keys: which there are, from when and until when. The database's clock decides.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::signing_key::StoredKey;

/// The newest key, as far as the question goes whether another one is due.
pub(crate) struct Newest {
    pub(crate) kid: String,
    pub(crate) signs_from: DateTime<Utc>,
    pub(crate) is_signing: bool,
    pub(crate) is_old: bool,
}

/// Makes processes that make a signing key wait for each other.
pub(crate) async fn lock_signing_keys(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('signing keys', 0))").execute(tx).await?;
    Ok(())
}

/// The newest key that is not to be retired; it is old when it has signed for so long.
pub(crate) async fn find_newest_key(
    tx: &mut PgConnection,
    old_after: TimeDelta,
) -> Result<Option<Newest>, sqlx::Error> {
    sqlx::query_as!(
        Newest,
        r#"select kid, signs_from, signs_from <= clock_timestamp() as "is_signing!",
                  signs_from <= clock_timestamp() - make_interval(secs => $1) as "is_old!"
           from signing_keys where retired_at is null order by signs_from desc, kid limit 1"#,
        old_after.as_seconds_f64(),
    )
    .fetch_optional(tx)
    .await
}

/// Keys that are not retired, with their private halves.
pub(crate) async fn list_signing_keys(db: impl PgExecutor<'_>) -> Result<Vec<StoredKey>, sqlx::Error> {
    sqlx::query_as!(
        StoredKey,
        "select kid, private_pem, signs_from, retired_at from signing_keys
         where retired_at is null or retired_at > now() order by signs_from desc, kid"
    )
    .fetch_all(db)
    .await
}

/// Keeps a key that signs after a while; answers from when.
pub(crate) async fn insert_signing_key(
    tx: &mut PgConnection,
    kid: &str,
    private_pem: &str,
    public: &serde_json::Value,
    after: TimeDelta,
) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into signing_keys (kid, algorithm, private_pem, public_jwk, signs_from)
         values ($1, 'RS256', $2, $3, clock_timestamp() + make_interval(secs => $4)) returning signs_from",
        kid,
        private_pem,
        public,
        after.as_seconds_f64(),
    )
    .fetch_one(tx)
    .await
}

/// Every key but this one ends then, or when it would have ended if that is earlier.
pub(crate) async fn retire_other_keys(
    tx: &mut PgConnection,
    kid: &str,
    at: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let retired = sqlx::query!(
        "update signing_keys set retired_at = $2 where kid <> $1 and (retired_at is null or retired_at > $2)",
        kid,
        at,
    )
    .execute(tx)
    .await?;
    Ok(retired.rows_affected())
}

/// The public halves of the keys whose signatures are accepted, now or soon, the newest first.
pub(crate) async fn list_public_keys(db: impl PgExecutor<'_>) -> Result<Vec<serde_json::Value>, sqlx::Error> {
    sqlx::query_scalar!(
        "select public_jwk from signing_keys where retired_at is null or retired_at > now() order by signs_from desc, kid"
    )
    .fetch_all(db)
    .await
}

/// Forgets keys a week after their end; what they signed is long dead.
pub(crate) async fn delete_old_keys(db: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!("delete from signing_keys where retired_at < now() - interval '7 days'")
        .execute(db)
        .await?;
    Ok(deleted.rows_affected())
}
