//! The record of attempts, and what is forgotten when it is old.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::{login_event::LoginEvent, model::Client};

/// How much one statement deletes at most.
const BATCH: i64 = 5_000;

/// An attempt as it was recorded.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) id: Uuid,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) session_id: Option<Uuid>,
    pub(crate) address: Option<String>,
    pub(crate) chain_id: Option<String>,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) result: String,
    pub(crate) domain: Option<String>,
    pub(crate) at: DateTime<Utc>,
}

/// Records an attempt.
pub(crate) async fn insert_login_event(
    db: impl PgExecutor<'_>,
    event: &LoginEvent,
    client: &Client,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into login_events (id, user_id, session_id, account_id, ip_address, user_agent, result, error_message,
               chain_id, domain, purpose, "timestamp")
           values ($1, $2, $3, $4, $5::text::inet, $6, $7, $8, $9, left($10, 255), $11, now())"#,
        event.id.0,
        event.user_id.map(|id| id.0),
        event.session_id.map(|id| id.0),
        event.account.map(|account| account.address.to_lower()),
        client.ip.map(|ip| ip.to_string()),
        client.user_agent.as_deref().map(printable),
        event.result,
        event.error,
        event.account.map(|account| account.chain_id.to_string()),
        event.domain.as_deref().map(printable),
        event.purpose.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What people sent, without what a terminal would act on and what the database does not take.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The attempts that were found to be a user's, the newest first, from a place on.
pub(crate) async fn list_login_events(
    db: &PgPool,
    user_id: UserId,
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Recorded>, sqlx::Error> {
    let (before_at, before_id) = before.unzip();
    sqlx::query_as!(
        Recorded,
        r#"select id, user_id, session_id, account_id as address, chain_id, host(ip_address) as ip_address, user_agent,
                  result, domain, "timestamp" as at
           from login_events
           where user_id = $1 and ($2::timestamptz is null or ("timestamp", id) < ($2, $3))
           order by "timestamp" desc, id desc limit $4"#,
        user_id.0,
        before_at,
        before_id,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Forgets nonces that ended a day ago: nobody asks any more why one was refused.
pub(crate) async fn delete_old_nonces(db: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from auth_nonces where nonce in
             (select nonce from auth_nonces where expires_at < now() - interval '1 day' limit $1 for update skip locked)",
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

/// Forgets attempts after ninety days.
pub(crate) async fn delete_old_login_events(db: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"delete from login_events where id in
             (select id from login_events where "timestamp" < now() - interval '90 days' limit $1 for update skip locked)"#,
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

/// Forgets revocations of a day ago: every access token that they ended is dead by itself, and every delivery of the
/// fact has long been tried.
pub(crate) async fn delete_old_revocations(db: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from session_revocations where revocation_id in
             (select revocation_id from session_revocations where created_at < now() - interval '1 day'
              limit $1 for update skip locked)",
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_get_through() {
        assert_eq!(printable("a\u{1b}[31mb\r\n\0c\u{9b}d \u{e9}"), "a[31mbcd \u{e9}");
    }
}
