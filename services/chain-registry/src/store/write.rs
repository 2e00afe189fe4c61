//! The statements of the two verbs that change the registry.

use ids::ChainId;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    endpoint::Endpoint,
    model::{Chain, Contract, GasPolicy},
    store::parse_address,
};

/// Makes writers wait for each other, and reads the version that the next one follows.
pub(crate) async fn lock_version(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("select version from registry_version for update").fetch_one(tx).await
}

/// Makes the next version, and the row that says who made it.
pub(crate) async fn insert_audit(
    tx: &mut PgConnection,
    actor: &str,
    action: &str,
    subject: &str,
    before: Option<Value>,
    after: Value,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with next as (update registry_version set version = version + 1, updated_at = now() returning version)
           insert into audit (audit_id, version, actor, action, subject, before_json, after_json)
           select $1, version, $2, $3, $4, $5, $6 from next returning version"#,
        Uuid::now_v7(),
        actor,
        action,
        subject,
        before,
        after
    )
    .fetch_one(tx)
    .await
}

/// Writes a chain's own columns; answers with its key.
pub(crate) async fn upsert_chain(tx: &mut PgConnection, chain: &Chain) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into chains (caip2, chain_numeric, name, native_symbol, decimals, explorer_url, enabled, confirmations,
                             reorg_depth)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict on constraint chains_chain_numeric_key do update set name = excluded.name,
             native_symbol = excluded.native_symbol, decimals = excluded.decimals,
             explorer_url = excluded.explorer_url, enabled = excluded.enabled,
             confirmations = excluded.confirmations, reorg_depth = excluded.reorg_depth, updated_at = now()
         returning id",
        chain.chain_id.to_string(),
        chain.chain_id.as_i64(),
        chain.name,
        chain.native_symbol,
        chain.decimals,
        chain.explorer_url,
        chain.enabled,
        chain.confirmations,
        chain.reorg_depth,
    )
    .fetch_one(tx)
    .await
}

/// Leaves a chain with these endpoints and no others.
pub(crate) async fn replace_endpoints(
    tx: &mut PgConnection,
    chain: i32,
    endpoints: &[Endpoint],
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from chain_endpoints where chain_id = $1", chain).execute(&mut *tx).await?;
    for endpoint in endpoints {
        sqlx::query!(
            "insert into chain_endpoints (chain_id, url, priority, weight, auth_type, rate_limit, active)
             values ($1, $2, $3, $4, $5, $6, $7)",
            chain,
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

/// Writes a chain's gas policy.
pub(crate) async fn upsert_gas_policy(
    tx: &mut PgConnection,
    chain: i32,
    policy: &GasPolicy,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into chain_gas_policy (chain_id, max_fee_gwei, priority_fee_gwei, multiplier,
                                       last_observed_base_fee_gwei, updated_at)
         values ($1, $2::text::numeric, $3::text::numeric, $4::text::numeric, $5::text::numeric, $6)
         on conflict (chain_id) do update set max_fee_gwei = excluded.max_fee_gwei,
             priority_fee_gwei = excluded.priority_fee_gwei, multiplier = excluded.multiplier,
             last_observed_base_fee_gwei = excluded.last_observed_base_fee_gwei, updated_at = excluded.updated_at",
        chain,
        policy.max_fee_gwei.as_deref(),
        policy.priority_fee_gwei.as_deref(),
        policy.multiplier,
        policy.last_observed_base_fee_gwei.as_deref(),
        policy.updated_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A contract as it is stored, with the hash of its interface.
pub(crate) async fn find_contract(
    tx: &mut PgConnection,
    chain_id: ChainId,
    address: &str,
) -> Result<Option<(Contract, Option<String>)>, sqlx::Error> {
    let row = sqlx::query!(
        "select k.name, start_block, standard, impl_address, abi_sha256
         from chain_contracts k join chains c on c.id = k.chain_id where chain_numeric = $1 and address = $2",
        chain_id.as_i64(),
        address
    )
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let contract = Contract {
        name: row.name,
        address: address.parse().map_err(|err: ids::Invalid| sqlx::Error::Decode(err.into()))?,
        start_block: row.start_block,
        standard: row.standard,
        impl_address: parse_address(row.impl_address.as_deref())?,
    };
    Ok(Some((contract, row.abi_sha256)))
}

/// Stores an interface once.
pub(crate) async fn upsert_abi(
    tx: &mut PgConnection,
    sha256: &str,
    size_bytes: i32,
    contract: &Contract,
    abi: &Value,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into abi_blobs (sha256, size_bytes, source, contract_name, standard, abi_json)
         values ($1, $2, 'operator', $3, $4, $5) on conflict (sha256) do nothing",
        sha256,
        size_bytes,
        contract.name,
        contract.standard,
        abi
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes a contract; None where there is no such chain. An interface that is not given stays.
pub(crate) async fn upsert_contract(
    tx: &mut PgConnection,
    chain_id: ChainId,
    contract: &Contract,
    abi_sha256: Option<&str>,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "insert into chain_contracts (chain_id, name, address, start_block, abi_sha256, impl_address, standard)
         select id, $2, $3, $4, $5, $6, $7 from chains where chain_numeric = $1
         on conflict on constraint chain_contracts_chain_id_address_key do update set name = excluded.name,
             start_block = excluded.start_block, impl_address = excluded.impl_address, standard = excluded.standard,
             abi_sha256 = coalesce(excluded.abi_sha256, chain_contracts.abi_sha256), updated_at = now()
         returning id",
        chain_id.as_i64(),
        contract.name,
        contract.address.to_lower(),
        contract.start_block,
        abi_sha256,
        contract.impl_address.map(|address| address.to_lower()),
        contract.standard,
    )
    .fetch_optional(tx)
    .await
}

/// Notes that a contract points to other code now.
pub(crate) async fn insert_impl_history(
    tx: &mut PgConnection,
    contract: i64,
    now: &str,
    before: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into contract_impl_history (contract_id, impl_address, previous_impl_address) values ($1, $2, $3)",
        contract,
        now,
        before
    )
    .execute(tx)
    .await?;
    Ok(())
}
