//! Everything that chain-registry says to its stores: one function a statement.

mod cache;
mod write;

use ids::{Address, ChainId};
use sqlx::{PgConnection, PgExecutor};

pub(crate) use cache::Cache;
pub(crate) use write::{
    find_contract, insert_audit, insert_impl_history, lock_version, replace_endpoints, upsert_abi,
    upsert_chain, upsert_contract, upsert_gas_policy,
};

use crate::{
    endpoint::Endpoint,
    model::{Chain, Contract, GasPolicy},
};

/// The version of the registry.
pub(crate) async fn get_version(db: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!("select version from registry_version").fetch_one(db).await
}

/// The version together with the chains that it has, so that no write can come between.
pub(crate) async fn get_version_with_chains(db: impl PgExecutor<'_>) -> Result<(i64, Vec<i64>), sqlx::Error> {
    let row = sqlx::query!(
        r#"select version, array(select chain_numeric from chains order by chain_numeric) as "chains!"
           from registry_version"#
    )
    .fetch_one(db)
    .await?;
    Ok((row.version, row.chains))
}

/// Makes the reads of this transaction see one state.
pub(crate) async fn set_one_state(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("set transaction isolation level repeatable read, read only").execute(tx).await?;
    Ok(())
}

/// Chains with their contracts and gas policies; all of them, or one.
pub(crate) async fn list_chains(
    tx: &mut PgConnection,
    only: Option<ChainId>,
) -> Result<Vec<Chain>, sqlx::Error> {
    let only = only.map(ChainId::as_i64);
    let rows = sqlx::query!(
        r#"select c.id, chain_numeric, name, native_symbol, decimals, explorer_url, enabled, confirmations, reorg_depth,
                  max_fee_gwei::text, priority_fee_gwei::text, multiplier::text as "multiplier?",
                  last_observed_base_fee_gwei::text, g.updated_at as "gas_updated_at?"
           from chains c left join chain_gas_policy g on g.chain_id = c.id
           where $1::bigint is null or chain_numeric = $1 order by chain_numeric"#,
        only
    )
    .fetch_all(&mut *tx)
    .await?;
    let contracts = sqlx::query!(
        "select k.chain_id, k.name, address, start_block, standard, impl_address
         from chain_contracts k join chains c on c.id = k.chain_id
         where $1::bigint is null or chain_numeric = $1 order by k.id",
        only
    )
    .fetch_all(tx)
    .await?;
    let mut chains = Vec::new();
    for row in rows {
        let mut chain = Chain {
            chain_id: row.chain_numeric.try_into().map_err(decode)?,
            name: row.name,
            native_symbol: row.native_symbol,
            decimals: row.decimals,
            explorer_url: row.explorer_url,
            enabled: row.enabled,
            confirmations: row.confirmations,
            reorg_depth: row.reorg_depth,
            contracts: Vec::new(),
            gas_policy: match (row.multiplier, row.gas_updated_at) {
                (Some(multiplier), Some(updated_at)) => Some(GasPolicy {
                    max_fee_gwei: row.max_fee_gwei,
                    priority_fee_gwei: row.priority_fee_gwei,
                    multiplier,
                    last_observed_base_fee_gwei: row.last_observed_base_fee_gwei,
                    updated_at,
                }),
                _ => None,
            },
        };
        for contract in contracts.iter().filter(|contract| contract.chain_id == row.id) {
            chain.contracts.push(Contract {
                name: contract.name.clone(),
                address: contract.address.parse().map_err(decode)?,
                start_block: contract.start_block,
                standard: contract.standard.clone(),
                impl_address: parse_address(contract.impl_address.as_deref())?,
            });
        }
        chains.push(chain);
    }
    Ok(chains)
}

/// A chain's endpoints with the version that they belong to; None where there is no such chain. One statement, so
/// one state.
pub(crate) async fn find_endpoints(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
) -> Result<Option<(i64, Vec<Endpoint>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select version, e.url as "url?", e.priority as "priority?", e.weight as "weight?",
                  e.auth_type as "auth_type?", e.rate_limit as "rate_limit?", e.active as "active?"
           from registry_version cross join chains c left join chain_endpoints e on e.chain_id = c.id
           where chain_numeric = $1 order by e.priority, e.id"#,
        chain_id.as_i64()
    )
    .fetch_all(db)
    .await?;
    let Some(version) = rows.first().map(|row| row.version) else { return Ok(None) };
    let endpoint = |url, priority, weight, auth_type, rate_limit, active| {
        Some(Endpoint {
            url: url?,
            priority: priority?,
            weight: weight?,
            auth_type: auth_type?,
            rate_limit: rate_limit?,
            active: active?,
        })
    };
    let endpoints = rows.into_iter().filter_map(|row| {
        endpoint(row.url, row.priority, row.weight, row.auth_type, row.rate_limit, row.active)
    });
    Ok(Some((version, endpoints.collect())))
}

pub(crate) fn parse_address(text: Option<&str>) -> Result<Option<Address>, sqlx::Error> {
    text.map(str::parse).transpose().map_err(decode)
}

fn decode(err: ids::Invalid) -> sqlx::Error {
    sqlx::Error::Decode(err.into())
}
