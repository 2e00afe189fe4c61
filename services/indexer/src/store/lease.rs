//! Which process follows which chain. The database's clock is the only one that counts.

use ids::ChainId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Takes the lease if nobody has it (or no more); the epoch is the right to commit. Who has waited here for a commit of
/// its holder goes by the time before: a commit that outlasted the lease is no reason to take it from one who lives.
pub(crate) async fn acquire_lease(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    holder: Uuid,
    ttl_secs: f64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into leases (chain_id, holder, epoch, expires_at)
         values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
         on conflict (chain_id) do update
         set holder = excluded.holder, epoch = leases.epoch + 1,
             expires_at = clock_timestamp() + make_interval(secs => $3)
         where leases.expires_at < now()
         returning epoch",
        chain_id.as_i64(),
        holder,
        ttl_secs,
    )
    .fetch_optional(db)
    .await
}

/// Keeps the lease for another while, from now on and not from when a commit began that this is a part of, or that was
/// waited for; false when another one has it.
pub(crate) async fn renew_lease(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    holder: Uuid,
    epoch: i64,
    ttl_secs: f64,
) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query!(
        "update leases set expires_at = clock_timestamp() + make_interval(secs => $4)
         where chain_id = $1 and holder = $2 and epoch = $3",
        chain_id.as_i64(),
        holder,
        epoch,
        ttl_secs,
    )
    .execute(db)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// In a commit: the row stays locked until its end, so that nobody takes over in between.
pub(crate) async fn lock_lease(
    tx: &mut PgConnection,
    chain_id: ChainId,
    holder: Uuid,
    epoch: i64,
    ttl_secs: f64,
) -> Result<bool, sqlx::Error> {
    renew_lease(tx, chain_id, holder, epoch, ttl_secs).await
}

/// Gives the lease back, so that the next one need not wait.
pub(crate) async fn release_lease(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    holder: Uuid,
    epoch: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update leases set expires_at = now() - interval '1 second'
         where chain_id = $1 and holder = $2 and epoch = $3",
        chain_id.as_i64(),
        holder,
        epoch,
    )
    .execute(db)
    .await?;
    Ok(())
}
