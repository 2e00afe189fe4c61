//! Preferences.

use ids::UserId;
use sqlx::{PgConnection, PgExecutor};

use crate::model::{Preferences, PreferencesChange};

/// Preferences as they are until somebody changes them.
pub(crate) async fn insert_preferences(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into user_preferences (user_id) values ($1)", user_id.0).execute(tx).await?;
    Ok(())
}

/// Somebody's preferences.
pub(crate) async fn find_preferences(
    db: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Option<Preferences>, sqlx::Error> {
    sqlx::query_as!(
        Preferences,
        "select email_notifications, push_notifications, marketing_emails, language, currency, theme, privacy_level,
             show_activity, version
         from user_preferences where user_id = $1",
        user_id.0
    )
    .fetch_optional(db)
    .await
}

/// The preferences' version and their user's status; both stay as they are until the transaction ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) version: i64,
    pub(crate) status: String,
}

/// Takes the preferences for this transaction.
pub(crate) async fn lock_preferences(
    tx: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<Held>, sqlx::Error> {
    sqlx::query_as!(
        Held,
        "select p.version, u.status from user_preferences p join users u using (user_id)
         where p.user_id = $1 for update of p for share of u",
        user_id.0
    )
    .fetch_optional(tx)
    .await
}

/// Sets what is named.
pub(crate) async fn update_preferences(
    tx: &mut PgConnection,
    user_id: UserId,
    change: &PreferencesChange,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update user_preferences set
             email_notifications = coalesce($2, email_notifications),
             push_notifications = coalesce($3, push_notifications),
             marketing_emails = coalesce($4, marketing_emails),
             language = coalesce($5, language),
             currency = coalesce($6, currency),
             theme = coalesce($7, theme),
             privacy_level = coalesce($8, privacy_level),
             show_activity = coalesce($9, show_activity),
             version = version + 1, updated_at = now()
         where user_id = $1",
        user_id.0,
        change.email_notifications,
        change.push_notifications,
        change.marketing_emails,
        change.language.as_deref(),
        change.currency.as_deref(),
        change.theme.as_deref(),
        change.privacy_level.as_deref(),
        change.show_activity,
    )
    .execute(tx)
    .await?;
    Ok(())
}
