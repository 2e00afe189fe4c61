//! The statements that change chains.

use ids::ChainId;
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    endpoint::Endpoint,
    model::{Chain, GasPolicy},
};

/// Makes writers wait for each other, and reads the version that the next one follows.
pub(crate) async fn lock_version(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("select version from registry_version for update").fetch_one(tx).await
}

/// Writes a chain's own columns.
pub(crate) async fn upsert_chain(tx: &mut PgConnection, chain: &Chain) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into chains (caip2, chain_numeric, name, native_symbol, decimals, explorer_url, enabled, confirmations,
                             reorg_depth, block_time_millis, finality_blocks, features_json)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict on constraint chains_chain_numeric_key do update set name = excluded.name,
             native_symbol = excluded.native_symbol, decimals = excluded.decimals,
             explorer_url = excluded.explorer_url, enabled = excluded.enabled,
             confirmations = excluded.confirmations, reorg_depth = excluded.reorg_depth,
             block_time_millis = excluded.block_time_millis, finality_blocks = excluded.finality_blocks,
             features_json = excluded.features_json, updated_at = now()",
        chain.chain_id.to_string(),
        chain.chain_id.as_i64(),
        chain.name,
        chain.native_symbol,
        chain.decimals,
        chain.explorer_url,
        chain.enabled,
        chain.confirmations,
        chain.reorg_depth,
        chain.block_time_millis,
        chain.finality_blocks,
        Value::Object(chain.features.clone()),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Leaves a chain with these endpoints and no others.
pub(crate) async fn replace_endpoints(
    tx: &mut PgConnection,
    chain_id: ChainId,
    endpoints: &[Endpoint],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from chain_endpoints e using chains c where c.id = e.chain_id and chain_numeric = $1",
        chain_id.as_i64()
    )
    .execute(&mut *tx)
    .await?;
    for endpoint in endpoints {
        sqlx::query!(
            "insert into chain_endpoints (chain_id, url, priority, weight, auth_type, rate_limit, active)
             select id, $2, $3, $4, $5, $6, $7 from chains where chain_numeric = $1",
            chain_id.as_i64(),
            endpoint.url,
            endpoint.priority,
            endpoint.weight,
            endpoint.auth_type,
            endpoint.rate_limit,
            endpoint.active,
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Writes a chain's gas policy; what was observed is left alone.
pub(crate) async fn upsert_gas_policy(
    tx: &mut PgConnection,
    chain_id: ChainId,
    policy: &GasPolicy,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into chain_gas_policy (chain_id, max_fee_gwei, priority_fee_gwei, multiplier, updated_at)
         select id, $2::text::numeric, $3::text::numeric, $4::text::numeric, $5 from chains where chain_numeric = $1
         on conflict (chain_id) do update set max_fee_gwei = excluded.max_fee_gwei,
             priority_fee_gwei = excluded.priority_fee_gwei, multiplier = excluded.multiplier,
             updated_at = excluded.updated_at",
        chain_id.as_i64(),
        policy.max_fee_gwei.as_deref(),
        policy.priority_fee_gwei.as_deref(),
        policy.multiplier,
        policy.updated_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
