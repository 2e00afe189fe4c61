//! Every SQL statement of catalog, one function each.
//!
//! The rule of this database: whoever changes anything of a collection (its ledger, tokens, balances, figures) first
//! takes the lock of its row, and takes several in the order of their ids. What a later statement reads is then
//! settled, and nobody waits in a circle.

pub(crate) mod audit;
pub(crate) mod collections;
pub(crate) mod holders;
pub(crate) mod ledger;
pub(crate) mod metadata;
pub(crate) mod orders;
pub(crate) mod owners;
pub(crate) mod reads;
pub(crate) mod tokens;

use sqlx::{PgPool, PgTransaction};

/// Begins to apply events. All that is asked then is looked up by key; but a plan that was made while the tables were
/// small would read them from end to end, and is kept while a chain catches up into them.
pub(crate) async fn begin(db: &PgPool) -> Result<PgTransaction<'static>, sqlx::Error> {
    db.begin_with("begin; set local enable_seqscan = off").await
}
