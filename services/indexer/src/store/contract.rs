//! Whose logs are kept.

use ids::{Address, BlockHash, ChainId};
use sqlx::{PgConnection, PgExecutor};

use crate::{
    error::Error,
    model::{Contract, Role},
};

/// Every contract of a chain.
pub(crate) async fn list_followed(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
) -> Result<Vec<Contract>, Error> {
    let rows = sqlx::query!(
        r#"select address as "address: Address", standard, from_block, created_block_hash as "created_in: BlockHash"
         from followed_contracts where chain_id = $1"#,
        chain_id.as_i64(),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let role = Role::parse(&row.standard).ok_or_else(|| Error::Stored(row.standard.clone()))?;
            let from_block = row.from_block.cast_unsigned();
            Ok(Contract { address: row.address, role, from_block, created_in: row.created_in })
        })
        .collect()
}

/// Adds contracts; one that is followed already stays as it is. Returns those that are new.
pub(crate) async fn insert_followed(
    tx: &mut PgConnection,
    chain_id: ChainId,
    contracts: &[Contract],
) -> Result<Vec<Address>, sqlx::Error> {
    if contracts.is_empty() {
        return Ok(Vec::new());
    }
    let addresses: Vec<Address> = contracts.iter().map(|contract| contract.address).collect();
    let standards: Vec<String> = contracts.iter().map(|contract| contract.role.as_str().to_owned()).collect();
    let from_blocks: Vec<i64> = contracts.iter().map(|contract| contract.from_block.cast_signed()).collect();
    let created_in: Vec<Option<BlockHash>> = contracts.iter().map(|contract| contract.created_in).collect();
    sqlx::query_scalar!(
        r#"insert into followed_contracts (chain_id, address, standard, from_block, source, created_block_hash)
         select $1, address, standard, from_block,
                case when created_in is null then 'registry' else 'factory' end, created_in
         from unnest($2::bytea[], $3::text[], $4::bigint[], $5::bytea[])
              as new (address, standard, from_block, created_in)
         on conflict on constraint followed_contracts_pkey do nothing
         returning address as "address: Address""#,
        chain_id.as_i64(),
        addresses as _,
        &standards,
        &from_blocks,
        created_in as _,
    )
    .fetch_all(tx)
    .await
}

/// Forgets the collections whose creation was taken back.
pub(crate) async fn delete_followed_of(
    tx: &mut PgConnection,
    chain_id: ChainId,
    blocks: &[BlockHash],
) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from followed_contracts where chain_id = $1 and created_block_hash = any($2::bytea[])",
        chain_id.as_i64(),
        blocks as _,
    )
    .execute(tx)
    .await?;
    Ok(deleted.rows_affected())
}
