//! A block's approvals, or their retraction: each event becomes one row of the ledger, and the slots that it concerns
//! are decided anew from the ledger. What the ledger has already, changes nothing; so order and repetition do not matter.

use events::{ChainBatch, ChainEvent, wallets::ApprovalChanged};
use sqlx::PgPool;

use crate::{error::Error, store};

/// Applies a batch; answers how many of its events were new.
pub(crate) async fn apply_approvals(
    db: &PgPool,
    block: &ChainBatch<()>,
    events: &[ChainEvent<ApprovalChanged>],
) -> Result<usize, Error> {
    if events.is_empty() {
        return Ok(0);
    }
    let mut tx = db.begin().await?;
    // Two batches that touch one slot at once would each decide without the other's row.
    store::lock_approvals(&mut tx, block.chain_id).await?;
    let slots = store::insert_ledger(&mut tx, block, events).await?;
    if !slots.is_empty() {
        store::decide_slots(&mut tx, block.chain_id, &slots).await?;
    }
    tx.commit().await?;
    Ok(slots.len())
}
