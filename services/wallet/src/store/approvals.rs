//! The ledger of approvals and the state that follows from it.

use events::ChainBatch;
use ids::{ChainId, derived_uuid};
use sqlx::{PgConnection, types::BigDecimal};

use crate::model::Entry;

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

/// What was new in the ledger: the events, and the contract and slot of each.
#[derive(Debug, Default)]
pub(crate) struct Inserted {
    pub(crate) event_ids: Vec<String>,
    pub(crate) slots: Vec<(String, String)>,
}

/// Writes a block's events into the ledger; answers those that were not there.
pub(crate) async fn insert_ledger(
    tx: &mut PgConnection,
    block: &ChainBatch<()>,
    entries: &[Entry],
) -> Result<Inserted, sqlx::Error> {
    let (generation, removed) = (i64::from(block.generation), block.removed);
    let text = |read: fn(&Entry) -> String| entries.iter().map(read).collect::<Vec<_>>();
    let id = |entry: &Entry| {
        derived_uuid(entry.cause.as_str(), &format!("{}/{generation}/{removed}", entry.event_id))
    };
    let ids: Vec<uuid::Uuid> = entries.iter().map(id).collect();
    let tokens: Vec<Option<BigDecimal>> = entries
        .iter()
        .map(|entry| entry.token_id.map(|token_id| amounts::to_decimal(token_id.number())))
        .collect();
    let approved: Vec<bool> = entries.iter().map(|entry| entry.is_approved).collect();
    let logs: Vec<i64> = entries.iter().map(|entry| i64::from(entry.log_index)).collect();
    let batches: Vec<i64> = entries.iter().map(|entry| i64::from(entry.batch_index)).collect();
    let rows = sqlx::query!(
        r#"insert into approvals_history (id, event_id, generation, removed, chain_id, contract, slot, owner, operator,
               token_id, is_approved, block_number, block_hash, block_time, tx_hash, log_index, batch_index, cause)
           select e.id, e.event_id, $1::bigint::integer, $2, $3, e.contract, e.slot, e.owner, e.operator,
               e.token_id, e.is_approved, $4, $5, $6, e.tx_hash, e.log_index::integer, e.batch_index::integer, e.cause
           from unnest($7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::numeric[],
               $14::boolean[], $15::text[], $16::bigint[], $17::bigint[], $18::text[])
               as e (id, event_id, contract, slot, owner, operator, token_id, is_approved, tx_hash, log_index, batch_index,
                     cause)
           on conflict on constraint approvals_history_event_key do nothing
           returning event_id, contract, slot"#,
        generation,
        removed,
        block.chain_id.to_string(),
        i64::try_from(block.block.number).unwrap_or(i64::MAX),
        block.block.hash.to_string(),
        block.block.time,
        &ids,
        &text(|entry| entry.event_id.clone()),
        &text(|entry| entry.contract.to_lower()),
        &text(|entry| entry.slot.clone()),
        &text(|entry| entry.owner.to_lower()),
        &text(|entry| entry.operator.to_lower()),
        &tokens as &[Option<BigDecimal>],
        &approved,
        &text(|entry| entry.tx_hash.to_string()),
        &logs,
        &batches,
        &text(|entry| entry.cause.as_str().to_owned()),
    )
    .fetch_all(tx)
    .await?;
    let mut inserted = Inserted::default();
    for row in rows {
        inserted.event_ids.push(row.event_id);
        inserted.slots.push((row.contract, row.slot));
    }
    Ok(inserted)
}

/// Decides slots anew: of the events that stand, the one at the highest place of the chain. For one event the highest
/// generation has the last word, and within a generation its retraction. Answers whose approvals that touched.
pub(crate) async fn decide_slots(
    tx: &mut PgConnection,
    chain_id: ChainId,
    slots: &[(String, String)],
) -> Result<Vec<String>, sqlx::Error> {
    let mut slots = slots.to_vec();
    slots.sort();
    slots.dedup();
    let chain_id = chain_id.to_string();
    let ids: Vec<uuid::Uuid> = slots
        .iter()
        .map(|(contract, slot)| derived_uuid("approval slot", &format!("{chain_id}/{contract}/{slot}")))
        .collect();
    let (contracts, names): (Vec<String>, Vec<String>) = slots.into_iter().unzip();
    let before = sqlx::query_scalar!("delete from approvals where id = any($1) returning owner", &ids)
        .fetch_all(&mut *tx)
        .await?;
    // From the highest place downwards: a token that was transferred a thousand times costs no more than a new one.
    let after = sqlx::query_scalar!(
        "insert into approvals (id, chain_id, contract, slot, owner, operator, token_id, is_approved, block_number,
                                block_hash, block_time, tx_hash, log_index, batch_index)
         select s.id, h.chain_id, h.contract, h.slot, h.owner, h.operator,
             h.token_id, h.is_approved, h.block_number, h.block_hash, h.block_time, h.tx_hash, h.log_index, h.batch_index
         from unnest($2::uuid[], $3::text[], $4::text[]) as s (id, contract, slot)
         cross join lateral (
             select * from approvals_history a
             where a.chain_id = $1 and a.contract = s.contract and a.slot = s.slot and not a.removed
                 and not exists (select from approvals_history later where later.event_id = a.event_id
                                 and (later.generation, later.removed) > (a.generation, a.removed))
             order by a.block_number desc, a.log_index desc, a.batch_index desc, a.block_hash desc
             limit 1
         ) h
         where h.is_approved
         returning owner",
        chain_id,
        &ids,
        &contracts,
        &names,
    )
    .fetch_all(tx)
    .await?;
    let mut owners = before;
    owners.extend(after);
    owners.sort();
    owners.dedup();
    Ok(owners)
}

/// Decides which rows the history shows: of these events, and of what stands next above each in its slot. No other row
/// has another row below it than before.
pub(crate) async fn show_neighbours(
    tx: &mut PgConnection,
    chain_id: ChainId,
    event_ids: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with touched as (
             select distinct contract, slot, block_number, log_index, batch_index, block_hash
             from approvals_history where event_id = any($2)
         ), concerned as (
             select id from approvals_history where event_id = any($2)
             union
             select above.id from touched t cross join lateral (
                 select a.id from approvals_history a
                 where a.chain_id = $1 and a.contract = t.contract and a.slot = t.slot and not a.removed
                     and (a.block_number, a.log_index, a.batch_index, a.block_hash)
                         > (t.block_number, t.log_index, t.batch_index, t.block_hash)
                     and not exists (select from approvals_history later where later.event_id = a.event_id
                                     and (later.generation, later.removed) > (a.generation, a.removed))
                 order by a.block_number, a.log_index, a.batch_index, a.block_hash
                 limit 1
             ) above
         ), decided as (
             select h.id, not h.removed
                 and not exists (select from approvals_history later where later.event_id = h.event_id
                                 and (later.generation, later.removed) > (h.generation, h.removed))
                 and (h.cause = 'approval' or coalesce((
                     select b.is_approved from approvals_history b
                     where b.chain_id = h.chain_id and b.contract = h.contract and b.slot = h.slot and not b.removed
                         and (b.block_number, b.log_index, b.batch_index, b.block_hash)
                             < (h.block_number, h.log_index, h.batch_index, h.block_hash)
                         and not exists (select from approvals_history later where later.event_id = b.event_id
                                         and (later.generation, later.removed) > (b.generation, b.removed))
                     order by b.block_number desc, b.log_index desc, b.batch_index desc, b.block_hash desc
                     limit 1
                 ), false)) as is_shown
             from concerned join approvals_history h using (id)
         )
         update approvals_history h set is_shown = decided.is_shown
         from decided where h.id = decided.id and h.is_shown <> decided.is_shown",
        chain_id.to_string(),
        event_ids,
    )
    .execute(tx)
    .await?;
    Ok(())
}
