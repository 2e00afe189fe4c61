//! The statements about contracts and what stands behind them.

use chrono::{DateTime, Utc};
use ids::{Address, ChainId};
use sqlx::{PgConnection, PgExecutor};

use crate::{model::Contract, store::parse_address};

/// An implementation that a contract has pointed to.
pub(crate) struct Implementation {
    pub(crate) impl_address: String,
    pub(crate) previous_impl_address: Option<String>,
    pub(crate) seen_at: DateTime<Utc>,
    /// None where an operator said so.
    pub(crate) block_number: Option<i64>,
}

/// A contract as it is stored, with its key.
pub(crate) async fn find_contract(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    address: Address,
) -> Result<Option<(i64, Contract)>, sqlx::Error> {
    let row = sqlx::query!(
        "select k.id, k.name, start_block, standard, impl_address, abi_sha256, first_seen_at
         from chain_contracts k join chains c on c.id = k.chain_id where chain_numeric = $1 and address = $2",
        chain_id.as_i64(),
        address.to_lower()
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let contract = Contract {
        name: row.name,
        address,
        start_block: row.start_block,
        standard: row.standard,
        impl_address: parse_address(row.impl_address.as_deref())?,
        abi_sha256: row.abi_sha256,
        first_seen_at: row.first_seen_at,
    };
    Ok(Some((row.id, contract)))
}

/// How many contracts a chain has.
pub(crate) async fn count_contracts(db: impl PgExecutor<'_>, chain_id: ChainId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from chain_contracts k join chains c on c.id = k.chain_id
           where chain_numeric = $1"#,
        chain_id.as_i64()
    )
    .fetch_one(db)
    .await
}

/// Writes a contract; None where there is no such chain. Answers with its key and since when it is known.
pub(crate) async fn upsert_contract(
    tx: &mut PgConnection,
    chain_id: ChainId,
    contract: &Contract,
) -> Result<Option<(i64, DateTime<Utc>)>, sqlx::Error> {
    let row = sqlx::query!(
        "insert into chain_contracts (chain_id, name, address, start_block, abi_sha256, impl_address, standard)
         select id, $2, $3, $4, $5, $6, $7 from chains where chain_numeric = $1
         on conflict on constraint chain_contracts_chain_id_address_key do update set name = excluded.name,
             start_block = excluded.start_block, impl_address = excluded.impl_address, standard = excluded.standard,
             abi_sha256 = excluded.abi_sha256, updated_at = now()
         returning id, first_seen_at",
        chain_id.as_i64(),
        contract.name,
        contract.address.to_lower(),
        contract.start_block,
        contract.abi_sha256,
        contract.impl_address.map(|address| address.to_lower()),
        contract.standard,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| (row.id, row.first_seen_at)))
}

/// Forgets a contract and its history.
pub(crate) async fn delete_contract(tx: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from contract_impl_history where contract_id = $1", id).execute(&mut *tx).await?;
    sqlx::query!("delete from chain_contracts where id = $1", id).execute(tx).await?;
    Ok(())
}

/// Writes what a contract points to now.
pub(crate) async fn set_implementation(
    tx: &mut PgConnection,
    id: i64,
    now: Address,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update chain_contracts set impl_address = $2, updated_at = now() where id = $1",
        id,
        now.to_lower()
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that a contract points to other code now.
pub(crate) async fn insert_implementation(
    tx: &mut PgConnection,
    contract: i64,
    now: Address,
    before: Option<Address>,
    block_number: Option<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into contract_impl_history (contract_id, impl_address, previous_impl_address, block_number)
         values ($1, $2, $3, $4)",
        contract,
        now.to_lower(),
        before.map(|before| before.to_lower()),
        block_number
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What a contract has pointed to, newest first.
pub(crate) async fn list_implementations(
    db: impl PgExecutor<'_>,
    contract: i64,
    limit: i64,
) -> Result<Vec<Implementation>, sqlx::Error> {
    sqlx::query_as!(
        Implementation,
        "select impl_address, previous_impl_address, seen_at, block_number from contract_impl_history
         where contract_id = $1 order by id desc limit $2",
        contract,
        limit
    )
    .fetch_all(db)
    .await
}
