//! Profiles, and what was asked of them under a name.

use ids::UserId;
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};

use crate::model::ProfileChange;

/// An empty profile.
pub(crate) async fn insert_profile(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into profiles (user_id) values ($1)", user_id.0).execute(tx).await?;
    Ok(())
}

/// A profile's version and its user's status; both stay as they are until the transaction ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) version: i64,
    pub(crate) status: String,
}

/// Takes the profile for this transaction. A suspension waits for it, or is seen by it.
pub(crate) async fn lock_profile(
    tx: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<Held>, sqlx::Error> {
    sqlx::query_as!(
        Held,
        "select p.version, u.status from profiles p join users u using (user_id)
         where p.user_id = $1 for update of p for share of u",
        user_id.0
    )
    .fetch_optional(tx)
    .await
}

/// Sets what is named; what is named and empty is cleared.
pub(crate) async fn update_profile(
    tx: &mut PgConnection,
    user_id: UserId,
    change: &ProfileChange,
) -> Result<(), sqlx::Error> {
    let socials = change.socials.as_ref().map(|socials| serde_json::json!(socials));
    sqlx::query!(
        "update profiles set
             username = case when $2::text is null then username else nullif($2, '') end,
             display_name = case when $3::text is null then display_name else nullif($3, '') end,
             bio = case when $4::text is null then bio else nullif($4, '') end,
             avatar_url = case when $5::text is null then avatar_url else nullif($5, '') end,
             banner_url = case when $6::text is null then banner_url else nullif($6, '') end,
             locale = case when $7::text is null then locale else nullif($7, '') end,
             timezone = case when $8::text is null then timezone else nullif($8, '') end,
             socials_json = coalesce($9, socials_json),
             version = version + 1, updated_at = now()
         where user_id = $1",
        user_id.0,
        change.username.as_deref(),
        change.display_name.as_deref(),
        change.bio.as_deref(),
        change.avatar_url.as_deref(),
        change.banner_url.as_deref(),
        change.locale.as_deref(),
        change.timezone.as_deref(),
        socials,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was asked under a name before, and what was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    pub(crate) request_hash: Vec<u8>,
    pub(crate) answer: Value,
}

/// What this user asked under this name before.
pub(crate) async fn find_request(
    tx: &mut PgConnection,
    user_id: UserId,
    request_id: &str,
) -> Result<Option<Answered>, sqlx::Error> {
    sqlx::query_as!(
        Answered,
        "select request_hash, answer from profile_requests where user_id = $1 and request_id = $2",
        user_id.0,
        request_id
    )
    .fetch_optional(tx)
    .await
}

/// Keeps what was asked and answered.
pub(crate) async fn insert_request(
    tx: &mut PgConnection,
    user_id: UserId,
    request_id: &str,
    request_hash: &[u8],
    answer: &Value,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into profile_requests (user_id, request_id, request_hash, answer) values ($1, $2, $3, $4)",
        user_id.0,
        request_id,
        request_hash,
        answer
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets at most so many requests of more than a day ago, and says how many.
pub(crate) async fn delete_old_requests(db: impl PgExecutor<'_>, most: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from profile_requests where (user_id, request_id) in
             (select user_id, request_id from profile_requests where created_at < now() - interval '1 day'
              order by created_at limit $1)",
        most
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
