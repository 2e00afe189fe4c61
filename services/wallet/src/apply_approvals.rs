//! A block's approvals and transfers, or their retraction: each event becomes one row of the ledger, and the slots that
//! it concerns are decided anew from the ledger. What the ledger has already, changes nothing; so order and repetition
//! do not matter.

use events::ChainBatch;
use sqlx::PgPool;

use crate::{error::Error, model::Entry, store};

/// What a batch did.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// How many of its events were new.
    pub(crate) new: usize,
    /// Whose approvals may be others than before.
    pub(crate) owners: Vec<String>,
}

/// Applies a batch.
pub(crate) async fn apply_approvals(
    db: &PgPool,
    block: &ChainBatch<()>,
    entries: &[Entry],
) -> Result<Applied, Error> {
    if entries.is_empty() {
        return Ok(Applied::default());
    }
    let mut tx = db.begin().await?;
    // Two batches that touch one slot at once would each decide without the other's row.
    store::lock_approvals(&mut tx, block.chain_id).await?;
    let inserted = store::insert_ledger(&mut tx, block, entries).await?;
    let new = inserted.event_ids.len();
    let owners = if new == 0 {
        // Applied before, perhaps by a process that died before it could drop what was cached.
        entries.iter().map(|entry| entry.owner.to_lower()).collect()
    } else {
        store::show_neighbours(&mut tx, block.chain_id, &inserted.event_ids).await?;
        store::decide_slots(&mut tx, block.chain_id, &inserted.slots).await?
    };
    tx.commit().await?;
    Ok(Applied { new, owners })
}
