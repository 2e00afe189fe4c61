//! Everything that user says to its stores: one function a statement.
//!
//! Whoever takes several locks takes them in this order: the roles' lock, rows of `users` by id, rows of `user_stats` by
//! id. Nobody waits in a circle.

mod account;
mod audit;
mod cache;
mod follow;
mod preferences;
mod profile;
mod role;
mod stats;

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

pub(crate) use account::{
    find_ownership, list_accounts_of, lock_account, update_ended_link, upsert_ensured_account,
    upsert_linked_account, upsert_unlinked_account,
};
pub(crate) use audit::{delete_old_audit, insert_audit};
pub(crate) use cache::Cache;
pub(crate) use follow::{
    count_follow, delete_follow, find_followed, insert_follow, list_followers, list_following,
    list_is_following, lock_statuses,
};
pub(crate) use preferences::{find_preferences, insert_preferences, lock_preferences, update_preferences};
pub(crate) use profile::{
    delete_old_requests, find_request, insert_profile, insert_request, lock_profile, update_profile,
};
pub(crate) use role::{
    delete_role, grow_revision, has_other_admin, insert_role, is_active_admin, list_roles, lock_new_creators,
    lock_roles, lock_user, update_status, withhold_creator,
};
pub(crate) use stats::{
    Claimed, FigureRow, claim_dirty, delete_dirty_collections, find_settled_collections, insert_stats,
    list_creator_owners, list_owners, list_stats, lock_stats, mark_dirty, mark_older, release_claims,
    upsert_dirty_collection, write_figures,
};

use crate::model::{Socials, User};

/// Users with their profile and roles; what follows says which.
macro_rules! users {
    ($tail:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            User,
            r#"select u.user_id as "user_id: UserId", u.status, p.username, p.display_name, p.bio, p.avatar_url,
                   p.banner_url, p.locale, p.timezone,
                   p.socials_json as "socials: Socials",
                   p.version, u.revision, u.created_at, greatest(u.updated_at, p.updated_at) as "updated_at!",
                   array(select r.role::text from user_roles r where r.user_id = u.user_id
                         order by r.created_at, r.role) as "roles!"
               "# + $tail
            $(, $argument)*
        )
    };
}

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
    users!(
        "from unnest($1::uuid[]) with ordinality as asked (user_id, place)
         join users u using (user_id) join profiles p using (user_id)
         order by asked.place",
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
    users!("from profiles p join users u using (user_id) where lower(p.username) = lower($1)", username)
        .fetch_optional(db)
        .await
}

/// Active users whose name begins so, by name. A range of the index instead of a pattern: no character of the prefix
/// means anything but itself, and no plan can make a scan of it. A tilde comes after all that names are made of.
pub(crate) async fn list_by_prefix(
    db: impl PgExecutor<'_>,
    prefix: &str,
    limit: i64,
) -> Result<Vec<User>, sqlx::Error> {
    users!(
        "from profiles p join users u using (user_id)
         where lower(p.username) ~>=~ lower($1) and lower(p.username) ~<~ (lower($1) || '~') and u.status = 'active'
         order by lower(p.username) using ~<~ limit $2",
        prefix,
        limit
    )
    .fetch_all(db)
    .await
}

/// The user who has an account; of several identities the first that has an owner decides.
pub(crate) async fn find_by_identities(
    db: impl PgExecutor<'_>,
    identities: &[String],
) -> Result<Option<User>, sqlx::Error> {
    users!(
        "from unnest($1::text[]) with ordinality as asked (identity, place)
         join user_accounts a using (identity) join users u using (user_id) join profiles p using (user_id)
         order by asked.place limit 1",
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
