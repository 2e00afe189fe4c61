//! What users may do: status, roles and the revision of both.

use ids::UserId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::model::{Role, Standing, Status};

/// Makes all changes by people wait for each other: two admins may be about to take the role from one another.
pub(crate) async fn lock_roles(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('roles of users', 0))").execute(tx).await?;
    Ok(())
}

/// Takes a user's row for this transaction.
pub(crate) async fn lock_user(
    tx: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<Standing>, sqlx::Error> {
    sqlx::query_as!(
        Standing,
        "select status, revision from users where user_id = $1 for no key update",
        user_id.0
    )
    .fetch_optional(tx)
    .await
}

/// Of these users those who are to become creators; takes their rows, in order of id.
pub(crate) async fn lock_new_creators(
    tx: &mut PgConnection,
    users: &[Uuid],
) -> Result<Vec<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select user_id as "user_id: UserId" from users u
           where user_id = any($1) and status <> 'deleted' and not creator_withheld
               and not exists (select 1 from user_roles r where r.user_id = u.user_id and r.role = 'creator')
           order by user_id for no key update"#,
        users
    )
    .fetch_all(tx)
    .await
}

/// Whether somebody is an admin now, whatever their token says.
pub(crate) async fn is_active_admin(tx: &mut PgConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from user_roles r join users u using (user_id)
                          where r.user_id = $1 and r.role = 'admin' and u.status = 'active') as "is!""#,
        user_id.0
    )
    .fetch_one(tx)
    .await
}

/// Whether there is another active admin.
pub(crate) async fn has_other_admin(tx: &mut PgConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from user_roles r join users u using (user_id)
                          where r.user_id <> $1 and r.role = 'admin' and u.status = 'active') as "has!""#,
        user_id.0
    )
    .fetch_one(tx)
    .await
}

/// All roles of a user, oldest first.
pub(crate) async fn list_roles(db: impl PgExecutor<'_>, user_id: UserId) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!("select role from user_roles where user_id = $1 order by created_at, role", user_id.0)
        .fetch_all(db)
        .await
}

/// Gives a role; false if the user has it.
pub(crate) async fn insert_role(
    tx: &mut PgConnection,
    user_id: UserId,
    role: &str,
    granted_by: Option<UserId>,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into user_roles (user_id, role, granted_by) values ($1, $2, $3)
         on conflict on constraint user_roles_pkey do nothing",
        user_id.0,
        role,
        granted_by.map(|id| id.0)
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Takes a role away; false if the user does not have it.
pub(crate) async fn delete_role(
    tx: &mut PgConnection,
    user_id: UserId,
    role: Role,
) -> Result<bool, sqlx::Error> {
    let deleted =
        sqlx::query!("delete from user_roles where user_id = $1 and role = $2", user_id.0, role.name())
            .execute(tx)
            .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Whether the chain's word may make this user a creator.
pub(crate) async fn withhold_creator(
    tx: &mut PgConnection,
    user_id: UserId,
    is_withheld: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!("update users set creator_withheld = $2 where user_id = $1", user_id.0, is_withheld)
        .execute(tx)
        .await?;
    Ok(())
}

/// The revision that a change of roles leads to.
pub(crate) async fn grow_revision(tx: &mut PgConnection, user_id: UserId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "update users set revision = revision + 1, updated_at = now() where user_id = $1 returning revision",
        user_id.0
    )
    .fetch_one(tx)
    .await
}

/// Sets the status, and says which revision that led to.
pub(crate) async fn update_status(
    tx: &mut PgConnection,
    user_id: UserId,
    status: Status,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        "update users set status = $2, revision = revision + 1, updated_at = now() where user_id = $1
         returning revision",
        user_id.0,
        status.name()
    )
    .fetch_one(tx)
    .await
}
