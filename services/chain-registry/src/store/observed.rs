//! What changes without a version: the base fees that were seen last. And the word that there is a new version.

use std::collections::HashMap;

use ids::ChainId;
use sqlx::{PgExecutor, PgPool, postgres::PgListener};

use crate::model::Stamp;

/// Each chain's base fee in gwei, as it was last written down.
pub(crate) type Observed = HashMap<ChainId, String>;

/// The version of the registry, and what was observed.
pub(crate) async fn get_stamp_with_observed(
    db: impl PgExecutor<'_>,
) -> Result<(Stamp, Observed), sqlx::Error> {
    let rows = sqlx::query!(
        r#"select version, (extract(epoch from updated_at) * 1000000)::bigint as "written_at!", o.chain_numeric as "chain_numeric?", o.fee as "fee?"
           from registry_version left join (
               select chain_numeric, last_observed_base_fee_gwei::text as fee
               from chain_gas_policy g join chains c on c.id = g.chain_id
               where last_observed_base_fee_gwei is not null
           ) o on true"#
    )
    .fetch_all(db)
    .await?;
    let stamp = rows.first().map(|row| Stamp { version: row.version, written_at: row.written_at });
    let stamp = stamp.ok_or(sqlx::Error::RowNotFound)?;
    let observed = rows
        .into_iter()
        .filter_map(|row| Some((ChainId::try_from(row.chain_numeric?).ok()?, row.fee?)))
        .collect();
    Ok((stamp, observed))
}

/// Writes down what was seen; no version is made of it.
pub(crate) async fn set_observed(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    base_fee_gwei: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update chain_gas_policy g set last_observed_base_fee_gwei = $2::text::numeric, observed_at = now()
         from chains c where c.id = g.chain_id and chain_numeric = $1",
        chain_id.as_i64(),
        base_fee_gwei
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A connection that hears of each version when it is committed.
pub(crate) async fn listen(db: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(db).await?;
    listener.listen("registry_version").await?;
    Ok(listener)
}

/// Whether the connection that listens still reaches anybody; what it hears meanwhile is kept for later.
pub(crate) async fn ask_listener(listener: &mut PgListener) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("select 1 as one").fetch_one(listener).await?;
    Ok(())
}
