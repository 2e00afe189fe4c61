//! Everything that wallet says to its stores about links: one function a statement.

mod approvals;
mod last_seen;

use chrono::{DateTime, Utc};
use ids::{UserId, WalletId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

pub(crate) use approvals::{decide_slots, insert_ledger, list_approvals, lock_approvals};
pub(crate) use last_seen::LastSeen;

use crate::model::Wallet;

/// Makes the transactions of one user wait for each other.
pub(crate) async fn lock_user(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('wallets of ' || $1::uuid::text, 0))",
        user_id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The link of an identity, whoever has it.
pub(crate) async fn find_by_identity(
    db: impl PgExecutor<'_>,
    identity: &str,
) -> Result<Option<Wallet>, sqlx::Error> {
    sqlx::query_as!(
        Wallet,
        r#"select wallet_id as "wallet_id: WalletId", user_id as "user_id: UserId", account_id, identity, address,
                  chain_id, is_primary, type as kind, connector, label, verified_at, created_at
           from wallet_links where identity = $1"#,
        identity
    )
    .fetch_optional(db)
    .await
}

/// The owners of identities: those that have one.
pub(crate) async fn list_owners(
    db: impl PgExecutor<'_>,
    identities: &[String],
) -> Result<Vec<(String, UserId)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select identity, user_id as "user_id: UserId" from wallet_links where identity = any($1)"#,
        identities
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.identity, row.user_id)).collect())
}

/// How many links a user has.
pub(crate) async fn count_of_user(db: impl PgExecutor<'_>, user_id: UserId) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from wallet_links where user_id = $1"#, user_id.0)
        .fetch_one(db)
        .await
}

/// The links of users, each user's primary one first.
pub(crate) async fn list_by_users(
    db: impl PgExecutor<'_>,
    user_ids: &[Uuid],
) -> Result<Vec<Wallet>, sqlx::Error> {
    sqlx::query_as!(
        Wallet,
        r#"select wallet_id as "wallet_id: WalletId", user_id as "user_id: UserId", account_id, identity, address,
                  chain_id, is_primary, type as kind, connector, label, verified_at, created_at
           from wallet_links where user_id = any($1) order by user_id, is_primary desc, created_at, wallet_id"#,
        user_ids
    )
    .fetch_all(db)
    .await
}

/// Inserts a link; false if the identity has one already.
pub(crate) async fn insert_link(tx: &mut PgConnection, wallet: &Wallet) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into wallet_links (wallet_id, user_id, account_id, identity, address, chain_id, is_primary, type,
                                   connector, label, verified_at, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
         on conflict on constraint wallet_links_identity_key do nothing",
        wallet.wallet_id.0,
        wallet.user_id.0,
        wallet.account_id,
        wallet.identity,
        wallet.address,
        wallet.chain_id,
        wallet.is_primary,
        wallet.kind,
        wallet.connector,
        wallet.label,
        wallet.verified_at,
        wallet.created_at,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Notes what was done to a wallet.
pub(crate) async fn insert_activity(
    tx: &mut PgConnection,
    wallet: &Wallet,
    action: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into wallet_activity (id, wallet_id, user_id, action, metadata)
         values ($1, $2, $3, $4, jsonb_build_object('identity', $5::text, 'accountId', $6::text))",
        Uuid::now_v7(),
        wallet.wallet_id.0,
        wallet.user_id.0,
        action,
        wallet.identity,
        wallet.account_id,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes how it was proven that the user holds the account.
pub(crate) async fn insert_verification(
    tx: &mut PgConnection,
    wallet: &Wallet,
    how: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into wallet_verifications (id, wallet_id, verification_type, status, verified_at)
         values ($1, $2, $3, 'verified', $4)",
        Uuid::now_v7(),
        wallet.wallet_id.0,
        how,
        wallet.verified_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether the identity was unlinked from the user since then.
pub(crate) async fn was_unlinked_since(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    identity: &str,
    since: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from wallet_activity where user_id = $1 and action = 'unlinked'
                          and metadata ->> 'identity' = $2 and created_at >= $3) as "exists!""#,
        user_id.0,
        identity,
        since,
    )
    .fetch_one(db)
    .await
}

/// Moves the time of last use forward, never back.
pub(crate) async fn update_last_seen(
    tx: &mut PgConnection,
    wallet_id: WalletId,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update wallet_links set last_seen_at = greatest(last_seen_at, $2) where wallet_id = $1",
        wallet_id.0,
        at
    )
    .execute(tx)
    .await?;
    Ok(())
}
