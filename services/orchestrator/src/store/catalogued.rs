//! What the catalog said, an entity at a time, and which transactions it said it of.

use ids::{ChainId, TokenId, TxHash};
use sqlx::{PgConnection, PgExecutor};

use crate::{
    model::{Catalogued, Told},
    store::decode,
};

/// Keeps the word of an entity's highest revision.
pub(crate) async fn upsert_catalogued(tx: &mut PgConnection, told: &Told) -> Result<(), sqlx::Error> {
    let token_ids: Vec<String> = told.token_ids.iter().map(TokenId::to_string).collect();
    sqlx::query!(
        "insert into catalogued_entities (chain_id, entity, revision, contract, token_ids, removed, told_at)
         values ($1, $2, $3, $4, $5, $6, clock_timestamp())
         on conflict on constraint catalogued_entities_pkey do update set revision = excluded.revision,
             contract = excluded.contract, token_ids = excluded.token_ids, removed = excluded.removed,
             told_at = excluded.told_at
         where catalogued_entities.revision < excluded.revision",
        told.chain_id.to_string(),
        told.entity,
        told.revision,
        told.contract.to_lower(),
        &token_ids,
        told.is_removed,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes of which transactions an entity is told, whatever the revision: what a transaction has brought once it can
/// bring again, and whether it is there now is the entity's word.
pub(crate) async fn insert_catalogued_txs(tx: &mut PgConnection, told: &Told) -> Result<(), sqlx::Error> {
    let mut hashes: Vec<String> = told.tx_hashes.iter().map(TxHash::to_string).collect();
    // In one order, so that two calls never wait for each other's rows.
    hashes.sort_unstable();
    hashes.dedup();
    sqlx::query!(
        "insert into catalogued_txs (chain_id, tx_hash, entity)
         select $1, tx_hash, $3 from unnest($2::text[]) as tx_hash
         on conflict on constraint catalogued_txs_pkey do nothing",
        told.chain_id.to_string(),
        &hashes,
        told.entity,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was said of one transaction, in the order in which it was told.
pub(crate) async fn list_catalogued(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    tx_hash: TxHash,
) -> Result<Vec<Catalogued>, sqlx::Error> {
    let rows = sqlx::query!(
        "select contract, token_ids, removed
         from catalogued_txs t join catalogued_entities e on e.chain_id = t.chain_id and e.entity = t.entity
         where t.chain_id = $1 and t.tx_hash = $2 order by e.told_at",
        chain_id.to_string(),
        tx_hash.to_string()
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let token_ids: Result<Vec<TokenId>, _> = row.token_ids.iter().map(|id| id.parse()).collect();
            Ok(Catalogued {
                contract: row.contract.parse().map_err(decode)?,
                token_ids: token_ids.map_err(decode)?,
                is_removed: row.removed,
            })
        })
        .collect()
}
