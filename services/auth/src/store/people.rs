//! Copies of what user and wallet know: whose an account is, and what a user may do.

use chrono::{DateTime, Utc};
use ids::{AccountId, UserId, WalletId};
use sqlx::{PgConnection, PgExecutor};

use crate::model::{Kind, Standing};

/// What was told of an account last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownLink {
    /// Nobody, where the link has ended.
    pub(crate) owner: Option<UserId>,
    pub(crate) wallet_id: WalletId,
    /// Whose it was until it ended.
    pub(crate) former: Option<UserId>,
}

/// What is known of an account; `None` where nothing was ever told.
pub(crate) async fn find_link(
    db: impl PgExecutor<'_>,
    identity: &str,
) -> Result<Option<KnownLink>, sqlx::Error> {
    sqlx::query_as!(
        KnownLink,
        r#"select user_id as "owner: UserId", wallet_id as "wallet_id: WalletId", former_user_id as "former: UserId"
           from account_users where identity = $1"#,
        identity
    )
    .fetch_optional(db)
    .await
}

/// Makes whoever unlinks the account wait until the transaction ends, also where nothing is known of it, so that they see
/// what it did. To be taken before anything about the account is written: they take it first, too.
pub(crate) async fn lock_account(tx: &mut PgConnection, identity: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock_shared(hashtextextended('account ' || $1, 0))", identity)
        .execute(tx)
        .await?;
    Ok(())
}

/// What is known of an account, keeping it so until the transaction ends.
pub(crate) async fn lock_link(
    tx: &mut PgConnection,
    identity: &str,
) -> Result<Option<KnownLink>, sqlx::Error> {
    sqlx::query_as!(
        KnownLink,
        r#"select user_id as "owner: UserId", wallet_id as "wallet_id: WalletId", former_user_id as "former: UserId"
           from account_users where identity = $1 for share"#,
        identity
    )
    .fetch_optional(tx)
    .await
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
             wallet_id = excluded.wallet_id, former_user_id = null, updated_at = now()
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

/// The end of a link that was told; answers whose the account is then. It is kept although nothing was known: the
/// beginning may still be on its way.
pub(crate) async fn unlink_account(
    tx: &mut PgConnection,
    identity: &str,
    account: &AccountId,
    kind: Kind,
    user_id: UserId,
    wallet_id: WalletId,
) -> Result<Option<UserId>, sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('account ' || $1, 0))", identity)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "insert into account_users (identity, account_id, type, former_user_id, wallet_id) values ($1, $2, $3, $4, $5)
         on conflict on constraint account_users_pkey do update
         set user_id = null, former_user_id = excluded.former_user_id, wallet_id = excluded.wallet_id,
             updated_at = now()
         where excluded.wallet_id >= account_users.wallet_id",
        identity,
        account.to_lower(),
        kind.as_str(),
        user_id.0,
        wallet_id.0,
    )
    .execute(&mut *tx)
    .await?;
    let owner = sqlx::query_scalar!("select user_id from account_users where identity = $1", identity)
        .fetch_one(tx)
        .await?;
    Ok(owner.map(UserId))
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

/// Takes roles if they are the newest told; if they are not, answers since when newer ones are there.
pub(crate) async fn upsert_roles(
    tx: &mut PgConnection,
    user_id: UserId,
    roles: &[String],
    revision: i64,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let updated = sqlx::query!(
        "insert into user_states (user_id, roles, roles_revision) values ($1, $2, $3)
         on conflict on constraint user_states_pkey do update
         set roles = excluded.roles, roles_revision = excluded.roles_revision, updated_at = now()
         where excluded.roles_revision > user_states.roles_revision",
        user_id.0,
        roles,
        revision,
    )
    .execute(&mut *tx)
    .await?;
    if updated.rows_affected() == 1 {
        return Ok(None);
    }
    let since = sqlx::query_scalar!("select updated_at from user_states where user_id = $1", user_id.0);
    Ok(Some(since.fetch_one(tx).await?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::MIGRATOR;

    /// Of an account of which nothing is known there is no row to hold.
    #[tokio::test]
    async fn the_end_of_a_link_waits_for_a_sign_in_of_an_account_that_nobody_knows() {
        let db = testkit::database(&MIGRATOR).await;
        let account: AccountId = "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        let (identity, user_id) = (Kind::Eoa.identity(&account), UserId::new());
        let mut signing_in = db.pool.begin().await.unwrap();
        lock_account(&mut signing_in, &identity).await.unwrap();
        assert_eq!(lock_link(&mut signing_in, &identity).await.unwrap(), None);
        let unlinking = async {
            let mut tx = db.pool.begin().await.unwrap();
            let wallet_id = WalletId::new();
            let owner = unlink_account(&mut tx, &identity, &account, Kind::Eoa, user_id, wallet_id).await;
            assert_eq!(owner.unwrap(), None);
            // Told by the transaction that was waited for.
            let seen: i64 =
                sqlx::query_scalar("select count(*) from user_states").fetch_one(&mut *tx).await.unwrap();
            assert_eq!(seen, 1);
            tx.commit().await.unwrap();
        };
        let sign_in = async {
            let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                         and database = (select oid from pg_database where datname = current_database())";
            testkit::eventually(Duration::from_secs(20), "the other one waits", async || {
                let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&db.pool).await.unwrap();
                (waiting == 1).then_some(())
            })
            .await;
            lock_standing(&mut signing_in, user_id, None).await.unwrap();
            signing_in.commit().await.unwrap();
        };
        tokio::join!(unlinking, sign_in);
        let known = find_link(&db.pool, &identity).await.unwrap().unwrap();
        assert_eq!((known.owner, known.former), (None, Some(user_id)));
    }
}
