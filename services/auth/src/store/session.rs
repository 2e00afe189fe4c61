//! Sessions, their refresh tokens and their ends, and the record of attempts.

use chrono::{DateTime, Utc};
use ids::{ChainId, DeviceId, SessionId, UserId};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::model::{Client, Kind, LoginEvent, Session, Standing};

/// A session with what only the database needs.
pub(crate) struct NewSession<'a> {
    pub(crate) session: &'a Session,
    pub(crate) identity: &'a str,
    pub(crate) kind: Kind,
    pub(crate) chain_id: ChainId,
    pub(crate) refresh_hash: &'a str,
    pub(crate) absolute_expires_at: DateTime<Utc>,
}

/// A session that was ended.
pub(crate) struct Ended {
    pub(crate) session_id: SessionId,
    pub(crate) access_expires_at: DateTime<Utc>,
}

/// Opens a session.
pub(crate) async fn insert_session(tx: &mut PgConnection, new: &NewSession<'_>) -> Result<(), sqlx::Error> {
    let session = new.session;
    sqlx::query!(
        "insert into sessions (session_id, user_id, account_id, identity, account_type, chain_id, device_id, refresh_hash,
             ip_address, user_agent, created_at, expires_at, absolute_expires_at, access_expires_at, last_used_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::inet, $10, $11, $12, $13, $14, $15)",
        session.session_id.0,
        session.user_id.0,
        session.account_id,
        new.identity,
        new.kind.as_str(),
        new.chain_id.to_string(),
        session.device_id.map(|id| id.0),
        new.refresh_hash,
        session.ip_address,
        session.user_agent,
        session.created_at,
        session.expires_at,
        new.absolute_expires_at,
        session.access_expires_at,
        session.last_used_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The first refresh token of a session begins a family of its own.
pub(crate) async fn insert_refresh_token(
    tx: &mut PgConnection,
    new: &NewSession<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into refresh_tokens (token_id, family_id, session_id, token_hash, expires_at)
         values ($1, $2, $3, $4, $5)",
        Uuid::now_v7(),
        Uuid::now_v7(),
        new.session.session_id.0,
        new.refresh_hash,
        new.session.expires_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records an attempt.
pub(crate) async fn insert_login_event(
    db: impl PgExecutor<'_>,
    event: &LoginEvent,
    client: &Client,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"insert into login_events (id, user_id, session_id, account_id, ip_address, user_agent, result, error_message,
               chain_id, domain, "timestamp")
           values ($1, $2, $3, $4, $5::text::inet, $6, $7, $8, $9, left($10, 255), now())"#,
        event.id.0,
        event.user_id.map(|id| id.0),
        event.session_id.map(|id| id.0),
        event.account.map(|account| account.address.to_lower()),
        client.ip.map(|ip| ip.to_string()),
        client.user_agent,
        event.result,
        event.error,
        event.account.map(|account| account.chain_id.to_string()),
        event.domain,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A session and what its user may do.
pub(crate) async fn find_session(
    db: &PgPool,
    session_id: SessionId,
) -> Result<Option<(Session, Standing)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select s.user_id, s.account_id, s.device_id, host(s.ip_address) as ip_address, s.user_agent, s.created_at,
                  s.expires_at, s.access_expires_at, s.last_used_at, s.revoked_at, u.status, u.roles
           from sessions s join user_states u using (user_id) where s.session_id = $1"#,
        session_id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let session = Session {
            session_id,
            user_id: UserId(row.user_id),
            account_id: row.account_id,
            device_id: row.device_id.map(DeviceId),
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            created_at: row.created_at,
            expires_at: row.expires_at,
            access_expires_at: row.access_expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        };
        (session, Standing { status: row.status, roles: row.roles })
    }))
}

/// Ends those of the sessions that are the user's and not ended yet.
pub(crate) async fn revoke_by_ids(
    tx: &mut PgConnection,
    user_id: UserId,
    session_ids: &[SessionId],
    reason: &str,
) -> Result<Vec<Ended>, sqlx::Error> {
    let ids: Vec<Uuid> = session_ids.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Ended,
        r#"update sessions set revoked_at = now(), revoke_reason = $3
           where user_id = $1 and session_id = any($2) and revoked_at is null
           returning session_id as "session_id: SessionId", access_expires_at"#,
        user_id.0,
        &ids,
        reason,
    )
    .fetch_all(tx)
    .await
}

/// Ends a user's sessions, or those that were open at a time.
pub(crate) async fn revoke_of_user(
    tx: &mut PgConnection,
    user_id: UserId,
    before: Option<DateTime<Utc>>,
    reason: &str,
) -> Result<Vec<Ended>, sqlx::Error> {
    sqlx::query_as!(
        Ended,
        r#"update sessions set revoked_at = now(), revoke_reason = $3
           where user_id = $1 and revoked_at is null and ($2::timestamptz is null or created_at <= $2)
           returning session_id as "session_id: SessionId", access_expires_at"#,
        user_id.0,
        before,
        reason,
    )
    .fetch_all(tx)
    .await
}

/// Ends the sessions that an account of a user had open at a time.
pub(crate) async fn revoke_of_account(
    tx: &mut PgConnection,
    user_id: UserId,
    identity: &str,
    before: DateTime<Utc>,
) -> Result<Vec<Ended>, sqlx::Error> {
    sqlx::query_as!(
        Ended,
        r#"update sessions set revoked_at = now(), revoke_reason = 'unlinked'
           where user_id = $1 and identity = $2 and revoked_at is null and created_at <= $3
           returning session_id as "session_id: SessionId", access_expires_at"#,
        user_id.0,
        identity,
        before,
    )
    .fetch_all(tx)
    .await
}

/// Records the end of sessions.
pub(crate) async fn insert_revocation(
    tx: &mut PgConnection,
    id: Uuid,
    user_id: UserId,
    session_ids: &[SessionId],
    reason: &str,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = session_ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into session_revocations (revocation_id, user_id, session_ids, reason) values ($1, $2, $3, $4)",
        id,
        user_id.0,
        &ids,
        reason,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ended sessions of which a token may be alive, with a minute for clocks that are slow.
pub(crate) async fn list_revoked_alive(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<SessionId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select session_id as "session_id: SessionId" from sessions
           where revoked_at is not null and access_expires_at > $1 order by revoked_at"#,
        now - crate::model::CLOCK_SKEW,
    )
    .fetch_all(db)
    .await
}
