//! Which account is whose.

use ids::{UserId, WalletId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::model::{Account, Ownership};

/// Makes the transactions that decide about one account wait for each other.
pub(crate) async fn lock_account(tx: &mut PgConnection, identity: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('account ' || $1::text, 0))", identity)
        .execute(tx)
        .await?;
    Ok(())
}

/// What is known about an account's owner.
pub(crate) async fn find_ownership(
    db: impl PgExecutor<'_>,
    identity: &str,
) -> Result<Option<Ownership>, sqlx::Error> {
    sqlx::query_as!(
        Ownership,
        r#"select user_id as "user_id: UserId", wallet_id as "wallet_id: WalletId", state = 'linked' as "is_linked!"
           from user_accounts where identity = $1"#,
        identity
    )
    .fetch_optional(db)
    .await
}

/// Gives an account that belongs to nobody to a user. What was the last link stays known.
pub(crate) async fn upsert_ensured_account(
    tx: &mut PgConnection,
    account: &Account,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into user_accounts (identity, account_id, address, type, user_id, state)
         values ($1, $2, $3, $4, $5, 'ensured')
         on conflict on constraint user_accounts_pkey
         do update set user_id = excluded.user_id, state = 'ensured', updated_at = now()
         where user_accounts.user_id is null",
        account.identity,
        account.account_id,
        account.address,
        account.kind,
        user_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An account that wallet says is a user's.
pub(crate) async fn upsert_linked_account(
    tx: &mut PgConnection,
    account: &Account,
    wallet_id: WalletId,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into user_accounts (identity, account_id, address, type, user_id, state, wallet_id)
         values ($1, $2, $3, $4, $5, 'linked', $6)
         on conflict on constraint user_accounts_pkey
         do update set user_id = excluded.user_id, state = 'linked', wallet_id = excluded.wallet_id, updated_at = now()",
        account.identity,
        account.account_id,
        account.address,
        account.kind,
        user_id.0,
        wallet_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An account that wallet says is nobody's.
pub(crate) async fn upsert_unlinked_account(
    tx: &mut PgConnection,
    account: &Account,
    wallet_id: WalletId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into user_accounts (identity, account_id, address, type, state, wallet_id)
         values ($1, $2, $3, $4, 'unlinked', $5)
         on conflict on constraint user_accounts_pkey
         do update set user_id = null, state = 'unlinked', wallet_id = excluded.wallet_id, updated_at = now()",
        account.identity,
        account.account_id,
        account.address,
        account.kind,
        wallet_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes the end of a link of which an account is not: its owner stays.
pub(crate) async fn update_ended_link(
    tx: &mut PgConnection,
    identity: &str,
    wallet_id: WalletId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update user_accounts set wallet_id = $2, updated_at = now() where identity = $1",
        identity,
        wallet_id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An account as the catalog is asked about it, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedAccount {
    pub(crate) user_id: UserId,
    /// The address of a key; the CAIP-10 of a contract, which is somebody else's on another chain.
    pub(crate) identity: String,
}

/// All accounts of these users.
pub(crate) async fn list_accounts_of(
    db: impl PgExecutor<'_>,
    users: &[Uuid],
) -> Result<Vec<OwnedAccount>, sqlx::Error> {
    sqlx::query_as!(
        OwnedAccount,
        r#"select user_id as "user_id!: UserId", identity from user_accounts where user_id = any($1) order by identity"#,
        users
    )
    .fetch_all(db)
    .await
}
