//! The record of who changed what somebody may do: rows are added, and go after a year.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::model::AuditRow;

/// Adds a line to the record.
pub(crate) async fn insert_audit(tx: &mut PgConnection, row: &AuditRow<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into user_audit (id, user_id, actor, actor_id, what, before, after, reason, revision)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        Uuid::now_v7(),
        row.user_id.0,
        row.actor.name(),
        row.actor.user_id().map(|id| id.0),
        row.what,
        row.before,
        row.after,
        row.reason,
        row.revision,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Drops at most so many lines of more than a year ago, and says how many.
pub(crate) async fn delete_old_audit(db: impl PgExecutor<'_>, most: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from user_audit where id in
             (select id from user_audit where created_at < now() - interval '1 year 1 day' order by created_at limit $1)",
        most
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
