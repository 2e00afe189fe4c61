//! Keeps approvals and what the chain says of orders in the ledger, as they came: the market computes from them.

use sqlx::PgPool;

use crate::{
    error::Error,
    model::Entry,
    record::record,
    store::{self, ledger},
};

pub(crate) async fn record_only(db: &PgPool, entries: &[Entry]) -> Result<(), Error> {
    let Some(first) = entries.first() else { return Ok(()) };
    let mut tx = store::begin(db).await?;
    // No collection whose lock could be taken: a message is of one block, and so are its retractions.
    ledger::lock_block(&mut tx, first.mark.block_hash).await?;
    record(&mut tx, entries).await?;
    tx.commit().await?;
    Ok(())
}
