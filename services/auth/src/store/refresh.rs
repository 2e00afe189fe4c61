//! Refresh tokens: families, their history, and the one live token at the end of each.

use chrono::{DateTime, Utc};
use ids::{SessionId, UserId};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::Ended;
use crate::{
    model::Client,
    rotation::{CHAIN_MAX, Life, Token, Used},
};

/// How many tokens one statement deletes at most.
const BATCH: i64 = 5_000;

/// A session as a refresh finds it, its row locked.
pub(crate) struct Family {
    pub(crate) session_id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) account_id: String,
    pub(crate) identity: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) method: String,
    pub(crate) verified_at: DateTime<Utc>,
    pub(crate) life: Life,
}

/// A token with what it takes to tell its successor again.
pub(crate) struct Link {
    pub(crate) token_id: Uuid,
    pub(crate) family_id: Uuid,
    pub(crate) successor_salt: Option<Vec<u8>>,
    pub(crate) token: Token,
}

/// What comes after a token.
pub(crate) struct Successor<'a> {
    pub(crate) parent: &'a Link,
    pub(crate) used_at: DateTime<Utc>,
    pub(crate) fingerprint: &'a str,
    pub(crate) salt: &'a [u8],
    pub(crate) session_id: SessionId,
    pub(crate) token_hash: &'a str,
    pub(crate) expires_at: DateTime<Utc>,
}

/// A use of a session.
pub(crate) struct Touch<'a> {
    pub(crate) session_id: SessionId,
    pub(crate) at: DateTime<Utc>,
    pub(crate) access_expires_at: DateTime<Utc>,
    pub(crate) client: &'a Client,
}

/// The session that a token belongs to, kept as it is until the transaction ends.
pub(crate) async fn lock_family(
    tx: &mut PgConnection,
    token_hash: &str,
) -> Result<Option<Family>, sqlx::Error> {
    let row = sqlx::query!(
        "select s.session_id, s.user_id, s.account_id, s.identity, s.created_at, s.verify_method, s.verified_at,
                s.expires_at, s.absolute_expires_at, s.revoked_at
         from refresh_tokens t join sessions s using (session_id) where t.token_hash = $1 for update of s",
        token_hash,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| Family {
        session_id: SessionId(row.session_id),
        user_id: UserId(row.user_id),
        account_id: row.account_id,
        identity: row.identity,
        created_at: row.created_at,
        method: row.verify_method,
        verified_at: row.verified_at,
        life: Life {
            is_revoked: row.revoked_at.is_some(),
            expires_at: row.expires_at,
            absolute_expires_at: row.absolute_expires_at,
        },
    }))
}

/// A token and what followed it, in order, as far as a judgement can need it; and what time it is.
pub(crate) async fn list_chain(
    tx: &mut PgConnection,
    token_hash: &str,
) -> Result<(DateTime<Utc>, Vec<Link>), sqlx::Error> {
    let rows = sqlx::query!(
        r#"with recursive chain as (
               select token_id, family_id, expires_at, used_at, used_fingerprint, successor_salt, 1 as step
               from refresh_tokens where token_hash = $1
               union all
               select t.token_id, t.family_id, t.expires_at, t.used_at, t.used_fingerprint, t.successor_salt, c.step + 1
               from refresh_tokens t join chain c on t.parent_id = c.token_id where c.step < $2
           )
           select token_id as "token_id!", family_id as "family_id!", expires_at as "expires_at!", used_at,
                  used_fingerprint, successor_salt, clock_timestamp() as "now!"
           from chain order by step"#,
        token_hash,
        i32::try_from(CHAIN_MAX).unwrap_or(i32::MAX),
    )
    .fetch_all(tx)
    .await?;
    let now = rows.first().map(|row| row.now).ok_or(sqlx::Error::RowNotFound)?;
    let links = rows.into_iter().map(|row| {
        let used = row.used_at.map(|at| Used {
            at,
            fingerprint: row.used_fingerprint.unwrap_or_default(),
            is_repeatable: row.successor_salt.is_some(),
        });
        Link {
            token_id: row.token_id,
            family_id: row.family_id,
            successor_salt: row.successor_salt,
            token: Token { expires_at: row.expires_at, used },
        }
    });
    Ok((now, links.collect()))
}

/// Whether the account was taken from the user after the session was opened. A link that was never told takes nothing,
/// and what was told before was known to the sign-in.
pub(crate) async fn is_unlinked_since(tx: &mut PgConnection, family: &Family) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from account_users
               where identity = $1 and user_id is distinct from $2 and updated_at > $3) as "is_unlinked!""#,
        family.identity,
        family.user_id.0,
        family.created_at,
    )
    .fetch_one(tx)
    .await
}

/// Uses a token up and begins its successor. That a token has one successor at most is held by an index as well.
pub(crate) async fn rotate_token(tx: &mut PgConnection, next: &Successor<'_>) -> Result<(), sqlx::Error> {
    let used = sqlx::query!(
        "update refresh_tokens set used_at = $2, used_fingerprint = $3, successor_salt = $4
         where token_id = $1 and used_at is null",
        next.parent.token_id,
        next.used_at,
        next.fingerprint,
        next.salt,
    )
    .execute(&mut *tx)
    .await?;
    if used.rows_affected() != 1 {
        return Err(sqlx::Error::RowNotFound);
    }
    sqlx::query!(
        "insert into refresh_tokens (token_id, family_id, session_id, token_hash, parent_id, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        next.parent.family_id,
        next.session_id.0,
        next.token_hash,
        next.parent.token_id,
        next.used_at,
        next.expires_at,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update sessions set refresh_hash = $2, expires_at = $3 where session_id = $1",
        next.session_id.0,
        next.token_hash,
        next.expires_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes a use of a session, and until when its tokens may be alive: as long a revocation is told.
pub(crate) async fn touch_session(tx: &mut PgConnection, touch: &Touch<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update sessions set access_expires_at = greatest(access_expires_at, $2), last_used_at = greatest(last_used_at, $3),
             ip_address = coalesce($4::text::inet, ip_address), user_agent = coalesce($5, user_agent)
         where session_id = $1",
        touch.session_id.0,
        touch.access_expires_at,
        touch.at,
        touch.client.ip.map(|ip| ip.to_string()),
        touch.client.user_agent,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends the session that a token belongs to, used or not, if it is alive.
pub(crate) async fn revoke_by_token(
    tx: &mut PgConnection,
    token_hash: &str,
    reason: &str,
) -> Result<Option<(UserId, Ended)>, sqlx::Error> {
    let row = sqlx::query!(
        "update sessions set revoked_at = now(), revoke_reason = $2
         where session_id = (select s.session_id from refresh_tokens t join sessions s using (session_id)
                             where t.token_hash = $1 and s.revoked_at is null and s.expires_at > now()
                             for update of s)
         returning session_id, user_id, access_expires_at",
        token_hash,
        reason,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| {
        let ended = Ended { session_id: SessionId(row.session_id), access_expires_at: row.access_expires_at };
        (UserId(row.user_id), ended)
    }))
}

/// Forgets how successors were made, once nobody may ask for them again; a bounded number at a time.
pub(crate) async fn forget_salts(db: &PgPool) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "update refresh_tokens set successor_salt = null where token_id in
             (select token_id from refresh_tokens
              where successor_salt is not null and used_at < now() - interval '1 minute' limit 10000
              for update skip locked)"
    )
    .execute(db)
    .await?;
    Ok(forgotten.rows_affected())
}

/// Forgets the tokens of sessions that ended a month ago, a bounded number at a time. Of a session the newest go first: a
/// token takes its successors with it.
pub(crate) async fn delete_old_refresh_tokens(db: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "with ended as (
             select session_id from sessions
             where (expires_at < now() - interval '30 days' or revoked_at < now() - interval '30 days')
               and exists (select from refresh_tokens t where t.session_id = sessions.session_id)
             limit 1000 for update skip locked
         ), old as (
             select t.token_id from ended cross join lateral
                 (select token_id from refresh_tokens where session_id = ended.session_id
                  order by created_at desc limit $1) as t
             limit $1
         )
         delete from refresh_tokens where token_id in (select token_id from old)",
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

/// Forgets sessions that ended a month ago and have no tokens left, with their proofs; a bounded number at a time.
pub(crate) async fn delete_old_sessions(db: &PgPool) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query!(
        "delete from sessions where session_id in
             (select session_id from sessions
              where (expires_at < now() - interval '30 days' or revoked_at < now() - interval '30 days')
                and not exists (select from refresh_tokens t where t.session_id = sessions.session_id)
              limit 1000 for update skip locked)"
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
