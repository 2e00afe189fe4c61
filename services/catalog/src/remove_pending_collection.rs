//! The intent failed or expired: its collection will not be created.

use ids::IntentId;
use sqlx::PgPool;

use crate::{error::Error, store::collections};

/// Removing twice, or what was created after all, changes nothing that people see.
pub(crate) async fn remove_pending_collection(db: &PgPool, intent_id: IntentId) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    collections::delete_pending(&mut tx, intent_id).await?;
    collections::forget_intent(&mut tx, intent_id).await?;
    tx.commit().await?;
    Ok(())
}
