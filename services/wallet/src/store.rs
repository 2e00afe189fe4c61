//! Everything that wallet says to its stores about links: one function a statement.

mod activity;
mod approval_pages;
mod approvals;
mod approvals_cache;
mod last_seen;
mod nearby;

use chrono::{DateTime, Utc};
use ids::{UserId, WalletId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

pub(crate) use activity::{
    delete_old_activity, find_last_link, insert_activity, list_activity, was_unlinked, was_unlinked_from,
};
pub(crate) use approval_pages::{list_approvals, list_grantors, list_history};
pub(crate) use approvals::{decide_slots, insert_ledger, lock_approvals, show_neighbours};
pub(crate) use approvals_cache::{ApprovalsCache, Found};
pub(crate) use last_seen::LastSeen;
pub(crate) use nearby::connect;

use crate::model::{Proof, Wallet};

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
                  chain_id, is_primary, type as kind, connector, label, verified_at, last_seen_at, created_at
           from wallet_links where identity = $1"#,
        identity
    )
    .fetch_optional(db)
    .await
}

/// A wallet, if it is this user's.
pub(crate) async fn find_own(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    wallet_id: WalletId,
) -> Result<Option<Wallet>, sqlx::Error> {
    sqlx::query_as!(
        Wallet,
        r#"select wallet_id as "wallet_id: WalletId", user_id as "user_id: UserId", account_id, identity, address,
                  chain_id, is_primary, type as kind, connector, label, verified_at, last_seen_at, created_at
           from wallet_links where wallet_id = $1 and user_id = $2"#,
        wallet_id.0,
        user_id.0,
    )
    .fetch_optional(db)
    .await
}

/// The user's link of an address on a chain, as whichever kind of account.
pub(crate) async fn find_own_at(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    address: &str,
    chain_id: &str,
) -> Result<Option<Wallet>, sqlx::Error> {
    sqlx::query_as!(
        Wallet,
        r#"select wallet_id as "wallet_id: WalletId", user_id as "user_id: UserId", account_id, identity, address,
                  chain_id, is_primary, type as kind, connector, label, verified_at, last_seen_at, created_at
           from wallet_links where user_id = $1 and address = $2 and chain_id = $3"#,
        user_id.0,
        address,
        chain_id,
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
                  chain_id, is_primary, type as kind, connector, label, verified_at, last_seen_at, created_at
           from wallet_links where user_id = any($1) order by user_id, is_primary desc, created_at, wallet_id"#,
        user_ids
    )
    .fetch_all(db)
    .await
}

/// Inserts a link; false if the identity has one already, or the user has the address on the chain.
pub(crate) async fn insert_link(tx: &mut PgConnection, wallet: &Wallet) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into wallet_links (wallet_id, user_id, account_id, identity, address, chain_id, is_primary, type,
                                   connector, label, verified_at, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
         on conflict do nothing",
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

/// Notes how it was proven that the user holds the account; a sign-in's own proof is with auth.
pub(crate) async fn insert_verification(
    tx: &mut PgConnection,
    wallet: &Wallet,
    proof: Option<&Proof>,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let told = proof.map(|proof| {
        serde_json::json!({ "method": proof.method, "messageHash": proof.message_hash, "chainId": wallet.chain_id })
    });
    sqlx::query!(
        "insert into wallet_verifications (id, wallet_id, verification_type, verification_data, status, verified_at)
         values ($1, $2, 'siwe', coalesce($3, '{}'::jsonb), 'verified', $4)",
        Uuid::now_v7(),
        wallet.wallet_id.0,
        told,
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The user's wallet that a message was the proof of.
pub(crate) async fn find_by_message(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    message_hash: &str,
) -> Result<Option<Wallet>, sqlx::Error> {
    sqlx::query_as!(
        Wallet,
        r#"select l.wallet_id as "wallet_id: WalletId", l.user_id as "user_id: UserId", l.account_id, l.identity, l.address,
                  l.chain_id, l.is_primary, l.type as kind, l.connector, l.label, l.verified_at, l.last_seen_at, l.created_at
           from wallet_verifications v join wallet_links l on l.wallet_id = v.wallet_id
           where v.verification_data ->> 'messageHash' = $2 and l.user_id = $1 limit 1"#,
        user_id.0,
        message_hash,
    )
    .fetch_optional(db)
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

/// Deletes a link.
pub(crate) async fn delete_link(tx: &mut PgConnection, wallet_id: WalletId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from wallet_links where wallet_id = $1", wallet_id.0).execute(tx).await?;
    Ok(())
}

/// Leaves the user without a primary wallet, until the transaction names one.
pub(crate) async fn clear_primary(tx: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update wallet_links set is_primary = false, updated_at = now() where user_id = $1 and is_primary",
        user_id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes a wallet the primary one of a user who has none.
pub(crate) async fn set_primary(tx: &mut PgConnection, wallet_id: WalletId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update wallet_links set is_primary = true, updated_at = now() where wallet_id = $1",
        wallet_id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The wallet that a user has had for the longest.
pub(crate) async fn find_oldest(
    db: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Option<Wallet>, sqlx::Error> {
    sqlx::query_as!(
        Wallet,
        r#"select wallet_id as "wallet_id: WalletId", user_id as "user_id: UserId", account_id, identity, address,
                  chain_id, is_primary, type as kind, connector, label, verified_at, last_seen_at, created_at
           from wallet_links where user_id = $1 order by created_at, wallet_id limit 1"#,
        user_id.0,
    )
    .fetch_optional(db)
    .await
}

/// Gives a wallet a name, or takes it away.
pub(crate) async fn set_label(
    tx: &mut PgConnection,
    wallet_id: WalletId,
    label: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update wallet_links set label = $2, updated_at = now() where wallet_id = $1",
        wallet_id.0,
        label
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that a link was proven once more, and by which software if that is known.
pub(crate) async fn update_verified(
    tx: &mut PgConnection,
    wallet_id: WalletId,
    connector: Option<&str>,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update wallet_links set verified_at = $3, connector = coalesce($2, connector), updated_at = now()
         where wallet_id = $1",
        wallet_id.0,
        connector,
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
