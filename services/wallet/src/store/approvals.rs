//! The ledger of approvals and the state that follows from it.

use events::{ChainBatch, ChainEvent, wallets::ApprovalChanged};
use ids::{Address, ChainId, derived_uuid};
use sqlx::{PgConnection, PgExecutor, types::BigDecimal};

use crate::{
    model::{Approval, is_in_force, slot},
    page::Position,
};

/// Makes the transactions that decide about one chain's approvals wait for each other.
pub(crate) async fn lock_approvals(tx: &mut PgConnection, chain_id: ChainId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('approvals of ' || $1::text, 0))",
        chain_id.to_string()
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes events into the ledger; answers the contract and slot of each that was not there.
pub(crate) async fn insert_ledger(
    tx: &mut PgConnection,
    block: &ChainBatch<()>,
    events: &[ChainEvent<ApprovalChanged>],
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let (generation, removed) = (i64::from(block.generation), block.removed);
    let key = |event: &ChainEvent<ApprovalChanged>| format!("{}/{generation}/{removed}", event.id);
    let text = |read: fn(&ChainEvent<ApprovalChanged>) -> String| events.iter().map(read).collect::<Vec<_>>();
    let ids: Vec<uuid::Uuid> = events.iter().map(|event| derived_uuid("approval", &key(event))).collect();
    let tokens: Vec<Option<BigDecimal>> = events
        .iter()
        .map(|event| event.fact.token_id.map(|token_id| amounts::to_decimal(token_id.number())))
        .collect();
    let approved: Vec<bool> =
        events.iter().map(|event| is_in_force(event.fact.is_approved, event.fact.operator)).collect();
    let logs: Vec<i64> = events.iter().map(|event| i64::from(event.log_index)).collect();
    let batches: Vec<i64> = events.iter().map(|event| i64::from(event.batch_index)).collect();
    let rows = sqlx::query!(
        r#"insert into approvals_history (id, event_id, generation, removed, chain_id, contract, slot, owner, operator,
               token_id, is_approved, block_number, block_hash, block_time, tx_hash, log_index, batch_index)
           select e.id, e.event_id, $1::bigint::integer, $2, $3, e.contract, e.slot, e.owner, e.operator,
               e.token_id, e.is_approved, $4, $5, $6, e.tx_hash, e.log_index::integer, e.batch_index::integer
           from unnest($7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::numeric[],
               $14::boolean[], $15::text[], $16::bigint[], $17::bigint[])
               as e (id, event_id, contract, slot, owner, operator, token_id, is_approved, tx_hash, log_index, batch_index)
           on conflict on constraint approvals_history_event_key do nothing
           returning contract, slot"#,
        generation,
        removed,
        block.chain_id.to_string(),
        i64::try_from(block.block.number).unwrap_or(i64::MAX),
        block.block.hash.to_string(),
        block.block.time,
        &ids,
        &text(|event| event.id.clone()),
        &text(|event| event.contract.to_lower()),
        &text(|event| slot(event.fact.owner, event.fact.operator, event.fact.token_id)),
        &text(|event| event.fact.owner.to_lower()),
        &text(|event| event.fact.operator.to_lower()),
        &tokens as &[Option<BigDecimal>],
        &approved,
        &text(|event| event.tx_hash.to_string()),
        &logs,
        &batches,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.contract, row.slot)).collect())
}

/// Decides slots anew: of the events that stand, the one at the highest place of the chain. For one event the highest
/// generation has the last word, and within a generation its retraction.
pub(crate) async fn decide_slots(
    tx: &mut PgConnection,
    chain_id: ChainId,
    slots: &[(String, String)],
) -> Result<(), sqlx::Error> {
    let mut slots = slots.to_vec();
    slots.sort();
    slots.dedup();
    let chain_id = chain_id.to_string();
    let ids: Vec<uuid::Uuid> = slots
        .iter()
        .map(|(contract, slot)| derived_uuid("approval slot", &format!("{chain_id}/{contract}/{slot}")))
        .collect();
    let (contracts, names): (Vec<String>, Vec<String>) = slots.into_iter().unzip();
    sqlx::query!("delete from approvals where id = any($1)", &ids).execute(&mut *tx).await?;
    sqlx::query!(
        "insert into approvals (id, chain_id, contract, slot, owner, operator, token_id, is_approved, block_number,
                                block_hash, block_time, tx_hash, log_index, batch_index)
         select distinct on (h.contract, h.slot) h.slot_id, h.chain_id, h.contract, h.slot, h.owner, h.operator,
             h.token_id, h.is_approved, h.block_number, h.block_hash, h.block_time, h.tx_hash, h.log_index, h.batch_index
         from (
             select distinct on (a.event_id) a.*, s.id as slot_id
             from unnest($2::uuid[], $3::text[], $4::text[]) as s (id, contract, slot)
             join approvals_history a on a.chain_id = $1 and a.contract = s.contract and a.slot = s.slot
             order by a.event_id, a.generation desc, a.removed desc
         ) h
         where not h.removed
         order by h.contract, h.slot, h.block_number desc, h.log_index desc, h.batch_index desc, h.block_hash desc",
        chain_id,
        &ids,
        &contracts,
        &names,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The approvals in force of an owner on a chain, newest first, after a position.
pub(crate) async fn list_approvals(
    db: impl PgExecutor<'_>,
    owner: Address,
    chain_id: ChainId,
    after: Position,
    limit: i64,
) -> Result<Vec<Approval>, sqlx::Error> {
    sqlx::query_as!(
        Approval,
        "select id, chain_id, contract, owner, operator, token_id, block_number, block_hash, block_time, tx_hash, log_index
         from approvals
         where owner = $1 and chain_id = $2 and is_approved and (block_number, log_index, id) < ($3, $4, $5)
         order by block_number desc, log_index desc, id desc limit $6",
        owner.to_lower(),
        chain_id.to_string(),
        after.block_number,
        after.log_index,
        after.id,
        limit,
    )
    .fetch_all(db)
    .await
}
