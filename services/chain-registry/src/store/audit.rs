//! Who changed what: a row for each version.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::change::Note;

/// One write.
pub(crate) struct AuditEntry {
    pub(crate) audit_id: Uuid,
    pub(crate) version: i64,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) before_json: Option<Value>,
    pub(crate) after_json: Value,
    pub(crate) created_at: DateTime<Utc>,
}

/// Makes the next version, and the row that says who made it.
pub(crate) async fn insert_audit(tx: &mut PgConnection, note: Note<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with next as (update registry_version set version = version + 1, updated_at = now() returning version)
           insert into audit (audit_id, version, actor, action, subject, before_json, after_json)
           select $1, version, $2, $3, $4, $5, $6 from next returning version"#,
        Uuid::now_v7(),
        note.actor,
        note.action,
        note.subject,
        note.before,
        note.after
    )
    .fetch_one(tx)
    .await
}

/// Forgets so many of the oldest writes, where they are older than a year.
pub(crate) async fn delete_old_audit(db: impl PgExecutor<'_>, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from audit where audit_id in
             (select audit_id from audit where created_at < now() - interval '1 year 1 day' order by created_at limit $1)",
        limit
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

/// The newest writes before a version.
pub(crate) async fn list_audit(
    db: impl PgExecutor<'_>,
    before: i64,
    limit: i64,
) -> Result<Vec<AuditEntry>, sqlx::Error> {
    sqlx::query_as!(
        AuditEntry,
        "select audit_id, version, actor, action, subject, before_json, after_json, created_at
         from audit where version < $1 order by version desc limit $2",
        before,
        limit
    )
    .fetch_all(db)
    .await
}
