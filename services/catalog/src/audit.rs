//! Compares what the tables say with what the ledger says, computed anew and in another way than when it was applied.

use sqlx::PgPool;

use crate::{model::Difference, store};

/// The first differences of each kind, read from one state of the database.
pub async fn audit(db: &PgPool) -> Result<Vec<Difference>, sqlx::Error> {
    let mut tx = db.begin().await?;
    store::audit::one_state(&mut tx).await?;
    let mut differences = store::audit::list_wrong_standing(&mut tx).await?;
    differences.extend(store::audit::list_wrong_tokens(&mut tx).await?);
    differences.extend(store::audit::list_wrong_balances(&mut tx).await?);
    differences.extend(store::audit::list_wrong_holders(&mut tx).await?);
    differences.extend(store::audit::list_wrong_figures(&mut tx).await?);
    tx.rollback().await?;
    Ok(differences)
}
