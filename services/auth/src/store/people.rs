//! Copies of what user and wallet know: whose an account is, and what a user may do.

use ids::{AccountId, UserId, WalletId};
use sqlx::{PgConnection, PgExecutor};

use crate::model::{Kind, Standing};

/// Whose the account is, as far as auth knows.
pub(crate) async fn find_owner(
    db: impl PgExecutor<'_>,
    identity: &str,
) -> Result<Option<UserId>, sqlx::Error> {
    let owner = sqlx::query_scalar!("select user_id from account_users where identity = $1", identity)
        .fetch_optional(db)
        .await?;
    Ok(owner.flatten().map(UserId))
}

/// The same, keeping it so until the transaction ends.
pub(crate) async fn lock_owner(tx: &mut PgConnection, identity: &str) -> Result<Option<UserId>, sqlx::Error> {
    let owner =
        sqlx::query_scalar!("select user_id from account_users where identity = $1 for share", identity)
            .fetch_optional(tx)
            .await?;
    Ok(owner.flatten().map(UserId))
}

/// A link that was told. Ids of links grow with time: an older link, or the same again, changes nothing.
pub(crate) async fn insert_account(
    tx: &mut PgConnection,
    identity: &str,
    account: &AccountId,
    kind: Kind,
    user_id: UserId,
    wallet_id: WalletId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into account_users (identity, account_id, type, user_id, wallet_id) values ($1, $2, $3, $4, $5)
         on conflict on constraint account_users_pkey do update
         set account_id = excluded.account_id, type = excluded.type, user_id = excluded.user_id,
             wallet_id = excluded.wallet_id, updated_at = now()
         where excluded.wallet_id > account_users.wallet_id",
        identity,
        account.to_lower(),
        kind.as_str(),
        user_id.0,
        wallet_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The end of a link that was told. It is kept although nothing was known: the beginning may still be on its way.
pub(crate) async fn unlink_account(
    tx: &mut PgConnection,
    identity: &str,
    account: &AccountId,
    kind: Kind,
    wallet_id: WalletId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into account_users (identity, account_id, type, wallet_id) values ($1, $2, $3, $4)
         on conflict on constraint account_users_pkey do update
         set user_id = null, wallet_id = excluded.wallet_id, updated_at = now()
         where excluded.wallet_id >= account_users.wallet_id",
        identity,
        account.to_lower(),
        kind.as_str(),
        wallet_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What the user may do, keeping it so until the transaction ends. Of whom nothing was heard, what was just told is
/// taken down; the row is there then, so that a suspension on its way has something to wait for.
pub(crate) async fn lock_standing(
    tx: &mut PgConnection,
    user_id: UserId,
    told: Option<&Standing>,
) -> Result<Standing, sqlx::Error> {
    let (status, roles) = match told {
        Some(told) => (told.status.as_str(), told.roles.clone()),
        None => ("active", vec!["user".to_owned()]),
    };
    sqlx::query!(
        "insert into user_states (user_id, status, roles) values ($1, $2, $3)
         on conflict on constraint user_states_pkey do nothing",
        user_id.0,
        status,
        &roles,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query_as!(Standing, "select status, roles from user_states where user_id = $1 for share", user_id.0)
        .fetch_one(tx)
        .await
}

/// Takes a status if it is the newest told; answers whether it is.
pub(crate) async fn upsert_status(
    tx: &mut PgConnection,
    user_id: UserId,
    status: &str,
    revision: i64,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query!(
        "insert into user_states (user_id, status, status_revision) values ($1, $2, $3)
         on conflict on constraint user_states_pkey do update
         set status = excluded.status, status_revision = excluded.status_revision, updated_at = now()
         where excluded.status_revision > user_states.status_revision",
        user_id.0,
        status,
        revision,
    )
    .execute(tx)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Takes roles if they are the newest told.
pub(crate) async fn upsert_roles(
    tx: &mut PgConnection,
    user_id: UserId,
    roles: &[String],
    revision: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into user_states (user_id, roles, roles_revision) values ($1, $2, $3)
         on conflict on constraint user_states_pkey do update
         set roles = excluded.roles, roles_revision = excluded.roles_revision, updated_at = now()
         where excluded.roles_revision > user_states.roles_revision",
        user_id.0,
        roles,
        revision,
    )
    .execute(tx)
    .await?;
    Ok(())
}
