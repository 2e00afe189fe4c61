//! Everything that chain-registry says to its stores: one function a statement.

mod abi;
mod audit;
mod cache;
mod contract;
mod observed;
mod write;

use ids::{Address, ChainId};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};

pub(crate) use abi::{Abi, AbiPlace, find_abi, upsert_abi};
pub(crate) use audit::{AuditEntry, delete_old_audit, insert_audit, list_audit};
pub(crate) use cache::Cache;
pub(crate) use contract::{
    Implementation, count_contracts, delete_contract, find_contract, insert_implementation,
    list_implementations, set_implementation, upsert_contract,
};
pub(crate) use observed::{Observed, ask_listener, get_stamp_with_observed, listen, set_observed};
pub(crate) use write::{lock_version, replace_endpoints, upsert_chain, upsert_gas_policy};

use crate::{
    endpoint::Endpoint,
    model::{Chain, Contract, GasPolicy, Stamp},
};

/// The version together with the chains that it has.
pub(crate) async fn get_stamp_with_chains(db: impl PgExecutor<'_>) -> Result<(Stamp, Vec<i64>), sqlx::Error> {
    let row = sqlx::query!(
        r#"select version, (extract(epoch from updated_at) * 1000000)::bigint as "written_at!",
                  array(select chain_numeric from chains order by chain_numeric) as "chains!"
           from registry_version"#
    )
    .fetch_one(db)
    .await?;
    Ok((Stamp { version: row.version, written_at: row.written_at }, row.chains))
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
                  block_time_millis, finality_blocks, features_json,
                  max_fee_gwei::text, priority_fee_gwei::text, multiplier::text as "multiplier?",
                  g.updated_at as "gas_updated_at?"
           from chains c left join chain_gas_policy g on g.chain_id = c.id
           where $1::bigint is null or chain_numeric = $1 order by chain_numeric"#,
        only
    )
    .fetch_all(&mut *tx)
    .await?;
    let contracts = sqlx::query!(
        "select k.chain_id, k.name, address, start_block, standard, impl_address, abi_sha256, first_seen_at
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
            block_time_millis: row.block_time_millis,
            finality_blocks: row.finality_blocks,
            features: match row.features_json {
                Value::Object(features) => features,
                // A constraint keeps everything else out.
                _ => serde_json::Map::new(),
            },
            contracts: Vec::new(),
            gas_policy: match (row.multiplier, row.gas_updated_at) {
                (Some(multiplier), Some(updated_at)) => Some(GasPolicy {
                    max_fee_gwei: row.max_fee_gwei,
                    priority_fee_gwei: row.priority_fee_gwei,
                    multiplier,
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
                abi_sha256: contract.abi_sha256.clone(),
                first_seen_at: contract.first_seen_at,
            });
        }
        chains.push(chain);
    }
    Ok(chains)
}

/// Endpoints with the chain that they belong to; those of all chains, or of one.
pub(crate) async fn list_endpoints(
    db: impl PgExecutor<'_>,
    only: Option<ChainId>,
) -> Result<Vec<(ChainId, Endpoint)>, sqlx::Error> {
    let rows = sqlx::query!(
        "select chain_numeric, url, priority, weight, auth_type, rate_limit, active
         from chain_endpoints e join chains c on c.id = e.chain_id
         where $1::bigint is null or chain_numeric = $1 order by chain_numeric, priority, e.id",
        only.map(ChainId::as_i64)
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let endpoint = Endpoint {
                url: row.url,
                priority: row.priority,
                weight: row.weight,
                auth_type: row.auth_type,
                rate_limit: row.rate_limit,
                active: row.active,
            };
            Ok((row.chain_numeric.try_into().map_err(decode)?, endpoint))
        })
        .collect()
}

pub(crate) fn parse_address(text: Option<&str>) -> Result<Option<Address>, sqlx::Error> {
    text.map(str::parse).transpose().map_err(decode)
}

fn decode(err: ids::Invalid) -> sqlx::Error {
    sqlx::Error::Decode(err.into())
}
