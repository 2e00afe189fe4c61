//! One change of an intent, complete: the row with its next revision, its last step, the audit row, the fact in the
//! outbox.

use chrono::{DateTime, Utc};
use events::intents::upserted;
use serde_json::json;
use sqlx::PgConnection;

use crate::{conclude::last_step, fact::fact, model::Intent, store};

/// Writes `after` over `before` within the caller's transaction; the caller holds the row's lock.
pub(crate) async fn write_change(
    tx: &mut PgConnection,
    before: &Intent,
    after: &mut Intent,
    cause: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    after.revision = before.revision + 1;
    after.updated_at = now;
    store::update_intent(tx, after).await?;
    store::update_last_step(tx, after.intent_id, &last_step(after)).await?;
    let data = json!({
        "cause": cause,
        "from": before.status.as_str(),
        "to": after.status.as_str(),
        "revision": after.revision,
        "txHash": after.tx_hash,
        "errorCode": after.problem.as_ref().map(|problem| &problem.code),
    });
    store::insert_audit(tx, after, data, now).await?;
    bus::outbox::put(tx, &upserted(&fact(after))).await
}

/// Writes the first revision.
pub(crate) async fn write_first(tx: &mut PgConnection, intent: &Intent) -> Result<(), sqlx::Error> {
    let data = json!({ "cause": "prepared", "to": intent.status.as_str(), "revision": intent.revision });
    store::insert_audit(tx, intent, data, intent.created_at).await?;
    bus::outbox::put(tx, &upserted(&fact(intent))).await
}
