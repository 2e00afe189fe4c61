//! Which intents are due, and who looks at them.

use chrono::{DateTime, Utc};
use ids::IntentId;
use sqlx::{PgConnection, PgExecutor};

use crate::model::PendingCollection;

/// How a row is left after somebody has dealt with it.
pub(crate) struct Settled {
    pub(crate) pending: PendingCollection,
    pub(crate) next_look_at: Option<DateTime<Utc>>,
    pub(crate) claimed_until: Option<DateTime<Utc>>,
}

/// Takes intents that are due and nobody's; they are the caller's for so many seconds.
pub(crate) async fn claim_due(
    db: impl PgExecutor<'_>,
    limit: i64,
    claim_secs: f64,
) -> Result<Vec<IntentId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "update tx_intents set claimed_until = clock_timestamp() + make_interval(secs => $2)
         where intent_id in (
             select intent_id from tx_intents
             where next_look_at <= clock_timestamp() and (claimed_until is null or claimed_until < clock_timestamp())
             order by next_look_at limit $1 for update skip locked)
         returning intent_id",
        limit,
        claim_secs
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(IntentId).collect())
}

/// Gives a row back; the caller holds its lock.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    intent_id: IntentId,
    settled: &Settled,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update tx_intents set pending_collection = $2, next_look_at = $3, claimed_until = $4 where intent_id = $1",
        intent_id.0,
        settled.pending.as_str(),
        settled.next_look_at,
        settled.claimed_until
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives a row back after the catalog was told, or was not.
pub(crate) async fn release_told(
    db: impl PgExecutor<'_>,
    intent_id: IntentId,
    due: PendingCollection,
    told: PendingCollection,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update tx_intents set claimed_until = null, next_look_at = clock_timestamp(),
                pending_collection = case when pending_collection = $2 then $3 else pending_collection end
         where intent_id = $1",
        intent_id.0,
        due.as_str(),
        told.as_str()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a row back that could not be dealt with, for another attempt.
pub(crate) async fn release(
    db: impl PgExecutor<'_>,
    intent_id: IntentId,
    retry_secs: f64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update tx_intents set claimed_until = null, next_look_at = clock_timestamp() + make_interval(secs => $2)
         where intent_id = $1",
        intent_id.0,
        retry_secs
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes what nobody needs any more: words on old transactions, and audit rows after a year.
pub(crate) async fn sweep(db: &sqlx::PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from catalogued_txs where told_at < now() - interval '30 days'").execute(db).await?;
    sqlx::query!(
        "delete from catalogued_entities e where told_at < now() - interval '30 days' and not exists (
             select from catalogued_txs t where t.chain_id = e.chain_id and t.entity = e.entity)"
    )
    .execute(db)
    .await?;
    sqlx::query!("delete from session_intent_audit where created_at < now() - interval '1 year'")
        .execute(db)
        .await?;
    Ok(())
}
