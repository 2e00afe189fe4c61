//! What happened to wallets: an audit trail that outlives them, for a year.

use ids::{UserId, WalletId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{
    model::{Activity, Client, Wallet},
    page::Moment,
};

/// Notes what was done to a wallet.
pub(crate) async fn insert_activity(
    tx: &mut PgConnection,
    wallet: &Wallet,
    action: &str,
    client: &Client,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into wallet_activity (id, wallet_id, user_id, action, metadata, ip_address, user_agent)
         values ($1, $2, $3, $4, jsonb_build_object('identity', $5::text, 'accountId', $6::text), $7::text::inet, $8)",
        Uuid::now_v7(),
        wallet.wallet_id.0,
        wallet.user_id.0,
        action,
        wallet.identity,
        wallet.account_id,
        client.ip_address.map(|ip| ip.to_string()),
        client.user_agent,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What happened to a user's wallets, newest first, after a moment.
pub(crate) async fn list_activity(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    after: Moment,
    limit: i64,
) -> Result<Vec<Activity>, sqlx::Error> {
    sqlx::query_as!(
        Activity,
        r#"select id, wallet_id as "wallet_id: WalletId", action, metadata ->> 'accountId' as account_id,
                  host(ip_address) as ip_address, user_agent, created_at
           from wallet_activity where user_id = $1 and (created_at, id) < ($2, $3)
           order by created_at desc, id desc limit $4"#,
        user_id.0,
        after.at,
        after.id,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Whether the identity was ever unlinked from the user.
pub(crate) async fn was_unlinked_from(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    identity: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from wallet_activity where user_id = $1 and action = 'unlinked'
                          and metadata ->> 'identity' = $2) as "exists!""#,
        user_id.0,
        identity,
    )
    .fetch_one(db)
    .await
}

/// Whether the user unlinked this wallet.
pub(crate) async fn was_unlinked(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    wallet_id: WalletId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from wallet_activity
                          where wallet_id = $2 and user_id = $1 and action = 'unlinked') as "exists!""#,
        user_id.0,
        wallet_id.0,
    )
    .fetch_one(db)
    .await
}

/// The last link that an identity had, whoever had it.
pub(crate) async fn find_last_link(
    db: impl PgExecutor<'_>,
    identity: &str,
) -> Result<Option<WalletId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select wallet_id as "wallet_id: WalletId" from wallet_activity where metadata ->> 'identity' = $1
           order by wallet_id desc limit 1"#,
        identity,
    )
    .fetch_optional(db)
    .await
}

/// Deletes a bounded number of rows that are older than a year; answers how many.
pub(crate) async fn delete_old_activity(db: impl PgExecutor<'_>, limit: i64) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from wallet_activity where id in (
             select id from wallet_activity where created_at < now() - interval '1 year'
             order by created_at limit $1 for update skip locked)",
        limit
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
