//! The inbox: which messages have had their effect, written in the transaction of the effect.
//!
//! For chain events the ledger's row is the mark and this is not used.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

/// A message that was published longer ago is refused: the inbox no longer knows whether it was seen.
pub const REFUSED_AFTER_DAYS: i64 = 30;
/// How long a mark is kept; longer than what is refused, so that a message at the border is still known.
pub(crate) const KEPT_DAYS: i32 = 35;

/// Marks a message as handled; false if it already was. `published_at` is the envelope's `time`.
pub async fn first_time(
    connection: &mut PgConnection,
    event_id: &str,
    published_at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    if Utc::now() - published_at > TimeDelta::days(i64::from(KEPT_DAYS)) {
        return Err(sqlx::Error::Protocol(format!("message {event_id} is older than the inbox remembers")));
    }
    let inserted = sqlx::query("insert into processed_events (event_id) values ($1) on conflict do nothing")
        .bind(event_id)
        .execute(connection)
        .await?;
    Ok(inserted.rows_affected() == 1)
}
