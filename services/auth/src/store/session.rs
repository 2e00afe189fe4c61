//! Sessions, their refresh tokens and their ends.

use chrono::{DateTime, Utc};
use ids::{ChainId, DeviceId, IntentId, SessionId, UserId};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::{
    list_sessions::Position,
    model::{CLOCK_SKEW, Kind, Session, Standing},
};

/// A session with what only the database needs.
pub(crate) struct NewSession<'a> {
    pub(crate) session: &'a Session,
    pub(crate) identity: &'a str,
    pub(crate) kind: Kind,
    pub(crate) chain_id: ChainId,
    pub(crate) refresh_hash: &'a str,
    pub(crate) absolute_expires_at: DateTime<Utc>,
    /// How the signature was checked: `eoa`, `eip1271` or `erc6492`.
    pub(crate) method: &'a str,
    /// What a contract was asked about; a key needs no second look.
    pub(crate) proof: Option<Proof>,
}

/// What a contract account signed, and the block as of which it said that the signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) message: String,
    pub(crate) signature: Vec<u8>,
    pub(crate) block_hash: String,
    pub(crate) block_number: i64,
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
             ip_address, user_agent, created_at, expires_at, absolute_expires_at, access_expires_at, last_used_at,
             fingerprint, verify_method, verified_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::inet, $10, $11, $12, $13, $14, $15, $16, $17, $11)",
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
        session.fingerprint,
        new.method,
    )
    .execute(&mut *tx)
    .await?;
    let Some(proof) = &new.proof else { return Ok(()) };
    sqlx::query!(
        "insert into session_proofs (session_id, message, signature, block_hash, block_number)
         values ($1, $2, $3, $4, $5)",
        session.session_id.0,
        proof.message,
        proof.signature,
        proof.block_hash,
        proof.block_number,
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

/// A session as it is stored, and what time it is there.
macro_rules! session {
    ($row:expr) => {
        Session {
            session_id: SessionId($row.session_id),
            user_id: UserId($row.user_id),
            account_id: $row.account_id,
            account_type: $row.account_type,
            chain_id: $row.chain_id,
            device_id: $row.device_id.map(DeviceId),
            fingerprint: $row.fingerprint,
            ip_address: $row.ip_address,
            user_agent: $row.user_agent,
            created_at: $row.created_at,
            expires_at: $row.expires_at,
            access_expires_at: $row.access_expires_at,
            last_used_at: $row.last_used_at,
            revoked_at: $row.revoked_at,
            // An empty object is the column's word for nothing.
            intent_context: serde_json::from_value($row.collection_intent_context).ok(),
        }
    };
}

/// A session, what its user may do, and what time it is.
pub(crate) async fn find_session(
    db: impl PgExecutor<'_>,
    session_id: SessionId,
) -> Result<Option<(Session, Standing, DateTime<Utc>)>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select s.session_id, s.user_id, s.account_id, s.account_type, s.chain_id, s.device_id, s.fingerprint,
                  host(s.ip_address) as ip_address, s.user_agent, s.created_at, s.expires_at, s.access_expires_at,
                  s.last_used_at, s.revoked_at, s.collection_intent_context, u.status, u.roles, now() as "now!"
           from sessions s join user_states u using (user_id) where s.session_id = $1"#,
        session_id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (session!(row), Standing { status: row.status, roles: row.roles }, row.now)))
}

/// A user's sessions that are alive, the last used first, from a place on.
pub(crate) async fn list_sessions(
    db: &PgPool,
    user_id: UserId,
    after: Position,
    limit: i64,
) -> Result<Vec<Session>, sqlx::Error> {
    let rows = sqlx::query!(
        "select session_id, user_id, account_id, account_type, chain_id, device_id, fingerprint,
                host(ip_address) as ip_address, user_agent, created_at, expires_at, access_expires_at, last_used_at,
                revoked_at, collection_intent_context
         from sessions
         where user_id = $1 and revoked_at is null and expires_at > now() and (last_used_at, session_id) < ($2, $3)
         order by last_used_at desc, session_id desc limit $4",
        user_id.0,
        after.last_used_at,
        after.session_id,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| session!(row)).collect())
}

/// Notes what a session of the user is preparing, if it is alive. The newest of the intents comes first.
pub(crate) async fn update_intent_context(
    db: &PgPool,
    session_id: SessionId,
    user_id: UserId,
    chain_id: ChainId,
    kind: &str,
    intent_id: IntentId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update sessions set collection_intent_context = jsonb_build_object(
             'chainId', $3::text, 'kind', $4::text, 'updatedAt', now(),
             'intentIds', (select jsonb_agg(id order by place) from (
                 select to_jsonb($5::text) as id, 0 as place
                 union all
                 select value, ordinality
                 from jsonb_array_elements(coalesce(collection_intent_context -> 'intentIds', '[]')) with ordinality
                 where value <> to_jsonb($5::text)
                 order by place limit 10) as newest))
         where session_id = $1 and user_id = $2 and revoked_at is null and expires_at > now()",
        session_id.0,
        user_id.0,
        chain_id.to_string(),
        kind,
        intent_id.to_string(),
    )
    .execute(db)
    .await?;
    Ok(())
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
           where session_id in (select session_id from sessions
                                where user_id = $1 and session_id = any($2) and revoked_at is null
                                order by session_id for update)
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
           where session_id in (select session_id from sessions
                                where user_id = $1 and revoked_at is null
                                  and ($2::timestamptz is null or created_at <= $2)
                                order by session_id for update)
           returning session_id as "session_id: SessionId", access_expires_at"#,
        user_id.0,
        before,
        reason,
    )
    .fetch_all(tx)
    .await
}

/// Ends all of a user's sessions but those.
pub(crate) async fn revoke_all_but(
    tx: &mut PgConnection,
    user_id: UserId,
    kept: &[SessionId],
    reason: &str,
) -> Result<Vec<Ended>, sqlx::Error> {
    let ids: Vec<Uuid> = kept.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Ended,
        r#"update sessions set revoked_at = now(), revoke_reason = $3
           where session_id in (select session_id from sessions
                                where user_id = $1 and session_id <> all($2) and revoked_at is null
                                  and expires_at > now()
                                order by session_id for update)
           returning session_id as "session_id: SessionId", access_expires_at"#,
        user_id.0,
        &ids,
        reason,
    )
    .fetch_all(tx)
    .await
}

/// Ends a user's sessions beyond so many, the oldest.
pub(crate) async fn revoke_oldest(
    tx: &mut PgConnection,
    user_id: UserId,
    kept: i64,
    reason: &str,
) -> Result<Vec<Ended>, sqlx::Error> {
    sqlx::query_as!(
        Ended,
        r#"update sessions set revoked_at = now(), revoke_reason = $3
           where session_id in (select session_id from sessions
                                where session_id in (select session_id from sessions
                                                     where user_id = $1 and revoked_at is null and expires_at > now()
                                                     order by created_at desc, session_id desc offset $2)
                                  and revoked_at is null
                                order by session_id for update)
           returning session_id as "session_id: SessionId", access_expires_at"#,
        user_id.0,
        kept,
        reason,
    )
    .fetch_all(tx)
    .await
}

/// Ends the sessions that an account of a user has open, or had at a time.
pub(crate) async fn revoke_of_account(
    tx: &mut PgConnection,
    user_id: UserId,
    identity: &str,
    before: Option<DateTime<Utc>>,
) -> Result<Vec<Ended>, sqlx::Error> {
    sqlx::query_as!(
        Ended,
        r#"update sessions set revoked_at = now(), revoke_reason = 'unlinked'
           where session_id in (select session_id from sessions
                                where user_id = $1 and identity = $2 and revoked_at is null
                                  and ($3::timestamptz is null or created_at <= $3)
                                order by session_id for update)
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
pub(crate) async fn list_revoked_alive(db: impl PgExecutor<'_>) -> Result<Vec<SessionId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select session_id as "session_id: SessionId" from sessions
           where revoked_at is not null and access_expires_at > now() - make_interval(secs => $1)
           order by revoked_at"#,
        CLOCK_SKEW.as_seconds_f64(),
    )
    .fetch_all(db)
    .await
}

/// What time it is for all processes.
pub(crate) async fn clock(db: impl PgExecutor<'_>) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(db).await
}
