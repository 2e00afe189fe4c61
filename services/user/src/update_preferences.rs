//! Changes preferences, at the version that the caller saw.

use ids::UserId;
use sqlx::PgPool;

use crate::{
    error::Error,
    model::{Preferences, PreferencesChange},
    store,
};

/// The preferences as the change left them. An expected version of 0 is whichever.
pub(crate) async fn update_preferences(
    db: &PgPool,
    user_id: UserId,
    change: &PreferencesChange,
    expected_version: i64,
) -> Result<Preferences, Error> {
    let mut tx = db.begin().await?;
    let held = store::lock_preferences(&mut tx, user_id).await?.ok_or(Error::NotFound)?;
    if held.status != "active" {
        return Err(Error::Suspended);
    }
    if expected_version != 0 && expected_version != held.version {
        return Err(Error::Stale);
    }
    store::update_preferences(&mut tx, user_id, change).await?;
    let preferences = store::find_preferences(&mut *tx, user_id).await?.ok_or(Error::Changed)?;
    tx.commit().await?;
    Ok(preferences)
}
