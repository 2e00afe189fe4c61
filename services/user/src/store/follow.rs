//! Who follows whom, and how many that are.

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::model::{Followed, Position};

/// The status of each of these users, which stays as it is until the transaction ends. In order of id.
pub(crate) async fn lock_statuses(
    tx: &mut PgConnection,
    users: &[Uuid],
) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        "select user_id, status from users where user_id = any($1) order by user_id for share",
        users
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.status)).collect())
}

/// Writes that one follows the other; false if that was so.
pub(crate) async fn insert_follow(
    tx: &mut PgConnection,
    follower: UserId,
    following: UserId,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into user_follows (follower_id, following_id, created_at) values ($1, $2, clock_timestamp())
         on conflict on constraint user_follows_pkey do nothing",
        follower.0,
        following.0
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Writes that one no longer follows the other; false if that was so.
pub(crate) async fn delete_follow(
    tx: &mut PgConnection,
    follower: UserId,
    following: UserId,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from user_follows where follower_id = $1 and following_id = $2",
        follower.0,
        following.0
    )
    .execute(tx)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Counts one more or one less, at both ends. Both rows are locked already.
pub(crate) async fn count_follow(
    tx: &mut PgConnection,
    follower: UserId,
    following: UserId,
    step: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update user_stats set
             following_count = following_count + case when user_id = $1 then $3::int else 0 end,
             followers_count = followers_count + case when user_id = $2 then $3::int else 0 end,
             updated_at = now()
         where user_id in ($1, $2)",
        follower.0,
        following.0,
        step
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What the head of a list of follows needs to know of its user.
pub(crate) async fn find_followed(
    db: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Option<Followed>, sqlx::Error> {
    sqlx::query_as!(
        Followed,
        "select p.privacy_level, s.followers_count, s.following_count
         from user_preferences p join user_stats s using (user_id) where p.user_id = $1",
        user_id.0
    )
    .fetch_optional(db)
    .await
}

/// One row of a list of follows: the user at the other end, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FollowRow {
    pub(crate) other: UserId,
    pub(crate) created_at: DateTime<Utc>,
}

/// Who follows a user, newest first.
pub(crate) async fn list_followers(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    before: Position,
    limit: i64,
) -> Result<Vec<FollowRow>, sqlx::Error> {
    sqlx::query_as!(
        FollowRow,
        r#"select follower_id as "other: UserId", created_at from user_follows
           where following_id = $1 and (created_at, follower_id) < ($2, $3)
           order by created_at desc, follower_id desc limit $4"#,
        user_id.0,
        before.at(),
        before.id,
        limit
    )
    .fetch_all(db)
    .await
}

/// Whom a user follows, newest first.
pub(crate) async fn list_following(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    before: Position,
    limit: i64,
) -> Result<Vec<FollowRow>, sqlx::Error> {
    sqlx::query_as!(
        FollowRow,
        r#"select following_id as "other: UserId", created_at from user_follows
           where follower_id = $1 and (created_at, following_id) < ($2, $3)
           order by created_at desc, following_id desc limit $4"#,
        user_id.0,
        before.at(),
        before.id,
        limit
    )
    .fetch_all(db)
    .await
}

/// Those of these users whom somebody follows, in the order of their ids.
pub(crate) async fn list_is_following(
    db: impl PgExecutor<'_>,
    follower: UserId,
    others: &[Uuid],
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "select following_id from user_follows where follower_id = $1 and following_id = any($2) order by following_id",
        follower.0,
        others
    )
    .fetch_all(db)
    .await
}
