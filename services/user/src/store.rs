//! Everything that user says to its database: one function a statement.

mod account;
mod stats;

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

pub(crate) use account::{
    find_ownership, lock_account, upsert_ensured_account, upsert_linked_account, upsert_unlinked_account,
};
pub(crate) use stats::{insert_stats, list_owners, mark_dirty, upsert_dirty_collection};

use crate::model::User;

/// One user by id.
pub(crate) async fn find_by_id(
    db: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Option<User>, sqlx::Error> {
    Ok(list_by_ids(db, &[user_id]).await?.pop())
}

/// Users in the order of the ids, each as often as it is named; unknown ids are left out.
pub(crate) async fn list_by_ids(db: impl PgExecutor<'_>, ids: &[UserId]) -> Result<Vec<User>, sqlx::Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        User,
        r#"select u.user_id as "user_id: UserId", u.status, p.username, p.display_name, p.bio, p.avatar_url,
                  p.banner_url, u.created_at, greatest(u.updated_at, p.updated_at) as "updated_at!",
                  array(select r.role::text from user_roles r where r.user_id = u.user_id order by r.created_at, r.role)
                      as "roles!"
           from unnest($1::uuid[]) with ordinality as asked (user_id, place)
           join users u using (user_id) join profiles p using (user_id)
           order by asked.place"#,
        &ids
    )
    .fetch_all(db)
    .await
}

/// One user by name, in any case.
pub(crate) async fn find_by_username(
    db: impl PgExecutor<'_>,
    username: &str,
) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as!(
        User,
        r#"select u.user_id as "user_id: UserId", u.status, p.username, p.display_name, p.bio, p.avatar_url,
                  p.banner_url, u.created_at, greatest(u.updated_at, p.updated_at) as "updated_at!",
                  array(select r.role::text from user_roles r where r.user_id = u.user_id order by r.created_at, r.role)
                      as "roles!"
           from profiles p join users u using (user_id) where lower(p.username) = lower($1)"#,
        username
    )
    .fetch_optional(db)
    .await
}

/// The user who has an account; of several identities the first that has an owner decides.
pub(crate) async fn find_by_identities(
    db: impl PgExecutor<'_>,
    identities: &[String],
) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as!(
        User,
        r#"select u.user_id as "user_id: UserId", u.status, p.username, p.display_name, p.bio, p.avatar_url,
                  p.banner_url, u.created_at, greatest(u.updated_at, p.updated_at) as "updated_at!",
                  array(select r.role::text from user_roles r where r.user_id = u.user_id order by r.created_at, r.role)
                      as "roles!"
           from unnest($1::text[]) with ordinality as asked (identity, place)
           join user_accounts a using (identity) join users u using (user_id) join profiles p using (user_id)
           order by asked.place limit 1"#,
        identities
    )
    .fetch_optional(db)
    .await
}

/// Inserts a user; false if it is there.
pub(crate) async fn insert_user(tx: &mut PgConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into users (user_id) values ($1) on conflict on constraint users_pkey do nothing",
        user_id.0
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// An empty profile.
pub(crate) async fn insert_profile(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into profiles (user_id) values ($1)", user_id.0).execute(tx).await?;
    Ok(())
}

/// Preferences as they are until somebody changes them.
pub(crate) async fn insert_preferences(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into user_preferences (user_id) values ($1)", user_id.0).execute(tx).await?;
    Ok(())
}

/// Gives a role.
pub(crate) async fn insert_role(
    tx: &mut PgConnection,
    user_id: UserId,
    role: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!("insert into user_roles (user_id, role) values ($1, $2)", user_id.0, role)
        .execute(tx)
        .await?;
    Ok(())
}

/// Moves the time of the last sign-in forward, never back.
pub(crate) async fn update_last_login(
    tx: &mut PgConnection,
    user_id: UserId,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users set last_login_at = greatest(last_login_at, $2) where user_id = $1",
        user_id.0,
        at
    )
    .execute(tx)
    .await?;
    Ok(())
}
