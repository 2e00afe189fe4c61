//! Which intents are due, and who looks at them.

use chrono::{DateTime, Utc};
use ids::{ChainId, IntentId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{model::PendingCollection, store::decode};

/// How a row is left after somebody has dealt with it.
pub(crate) struct Settled {
    pub(crate) pending: PendingCollection,
    pub(crate) next_look_at: Option<DateTime<Utc>>,
    pub(crate) claimed_until: Option<DateTime<Utc>>,
}

/// The chains on which something may be due.
pub(crate) async fn list_followed(db: impl PgExecutor<'_>) -> Result<Vec<ChainId>, sqlx::Error> {
    // A chain at a time through the index: there are few of them, and of their intents there may be many.
    let chains = sqlx::query_scalar!(
        "with recursive followed as (
             select min(chain_id) as chain_id from tx_intents where next_look_at is not null
             union all
             select (select min(chain_id) from tx_intents i where next_look_at is not null and i.chain_id > f.chain_id)
             from followed f where f.chain_id is not null)
         select chain_id from followed where chain_id is not null"
    )
    .fetch_all(db)
    .await?;
    chains.into_iter().flatten().map(|chain| chain.parse().map_err(decode)).collect()
}

/// Takes intents of a chain that are due and nobody's; they are the caller's for so many seconds. The clock is read once,
/// in a query of its own: called for each row it could not be looked up in the index.
pub(crate) async fn claim_due(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    limit: i64,
    claim_secs: f64,
) -> Result<Vec<IntentId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        "update tx_intents set claimed_until = clock_timestamp() + make_interval(secs => $3)
         where intent_id in (
             select intent_id from tx_intents
             where chain_id = $1 and next_look_at <= (select clock_timestamp())
               and (claimed_until is null or claimed_until < clock_timestamp())
             order by next_look_at limit $2 for update skip locked)
         returning intent_id",
        chain_id.to_string(),
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

/// Lets intents be looked at at once; who has a claim keeps it.
pub(crate) async fn wake(tx: &mut PgConnection, intent_ids: &[IntentId]) -> Result<(), sqlx::Error> {
    let intent_ids: Vec<Uuid> = intent_ids.iter().map(|intent_id| intent_id.0).collect();
    // In one order, so that two calls never wait for each other's rows.
    sqlx::query!(
        "with woken as (
             select intent_id from tx_intents where intent_id = any($1) order by intent_id for no key update)
         update tx_intents i set next_look_at = clock_timestamp() from woken where i.intent_id = woken.intent_id",
        &intent_ids
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives a row back that could not be dealt with, for another attempt: the later, the longer nothing came of it.
pub(crate) async fn release(db: impl PgExecutor<'_>, intent_id: IntentId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update tx_intents set claimed_until = null, next_look_at = clock_timestamp()
             + least(greatest((clock_timestamp() - updated_at) / 10, interval '2 seconds'), interval '10 minutes')
         where intent_id = $1",
        intent_id.0,
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
