//! The end of sessions before their time: the rows, and the fact, in one transaction.

use chrono::{DateTime, Utc};
use events::auth::{SessionRevoked, session_revoked};
use ids::{SessionId, UserId};
use proto::{auth::v1::RevokeSessionsRequest, common::v1::Caller};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    error::Error,
    model::CLOCK_SKEW,
    refresh_session::hash,
    store::{self, Ended, Mirror},
};

/// Sessions that one request may name.
const SESSIONS_MAX: usize = 100;
/// Sessions that one fact names; more are several facts.
const TOLD_AT_ONCE: usize = 500;
const SIGNED_OUT: &str = "signed_out";

/// Sessions that were ended, and until when a token of theirs could be alive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revocation {
    pub(crate) session_ids: Vec<SessionId>,
    pub(crate) until: DateTime<Utc>,
}

/// Which sessions are to end.
pub(crate) struct Ask {
    user_id: UserId,
    which: Which,
    reason: &'static str,
}

enum Which {
    These(Vec<SessionId>),
    AllBut(Vec<SessionId>),
}

impl Ask {
    /// What somebody asks about sessions of their own.
    pub(crate) fn of_owner(caller: &Caller, request: &RevokeSessionsRequest) -> Result<Ask, Error> {
        if !request.user_id.is_empty() {
            return Err(Error::field("user_id", "is for an operator only"));
        }
        if request.session_ids.len() > SESSIONS_MAX {
            return Err(Error::field("session_ids", "must be at most 100"));
        }
        let parse = |id: &String| id.parse().map_err(|err| Error::field("session_ids", err));
        let ids = request.session_ids.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Ask {
            user_id: caller.user_id.parse().map_err(|err| Error::field("caller.user_id", err))?,
            which: if request.all_but_given { Which::AllBut(ids) } else { Which::These(ids) },
            reason: match request.reason.as_str() {
                SIGNED_OUT => SIGNED_OUT,
                "" | "revoked" => "revoked",
                _ => return Err(Error::field("reason", "must be signed_out or revoked")),
            },
        })
    }

    /// What an operator asks: all of somebody's sessions.
    pub(crate) fn of_operator(request: &RevokeSessionsRequest) -> Result<Ask, Error> {
        if !request.session_ids.is_empty() {
            return Err(Error::field("session_ids", "are for their owner only"));
        }
        if !request.refresh_token.is_empty() {
            return Err(Error::field("refresh_token", "is for whoever holds it only"));
        }
        let user_id = request.user_id.parse().map_err(|err| Error::field("user_id", err))?;
        Ok(Ask { user_id, which: Which::AllBut(Vec::new()), reason: "revoked" })
    }
}

/// Ends those of the sessions that are the user's; the others are passed over in silence.
pub(crate) async fn revoke_sessions(db: &PgPool, mirror: &Mirror, ask: &Ask) -> Result<usize, Error> {
    let (user_id, reason) = (ask.user_id, ask.reason);
    let mut tx = db.begin().await?;
    let ended = match &ask.which {
        Which::These(ids) => store::revoke_by_ids(&mut tx, user_id, ids, reason).await?,
        Which::AllBut(kept) => store::revoke_all_but(&mut tx, user_id, kept, reason).await?,
    };
    let revocation = tell(&mut tx, user_id, ended, reason).await?;
    tx.commit().await?;
    mirror.sessions_revoked(&revocation);
    Ok(revocation.session_ids.len())
}

/// Ends the session of a refresh token, of any of its family: whoever holds one may surely leave. Nothing is used up, and a
/// token that is nobody's ends nothing. Tells whether a session was ended.
pub(crate) async fn revoke_by_token(
    db: &PgPool,
    mirror: &Mirror,
    request: &RevokeSessionsRequest,
) -> Result<bool, Error> {
    let is_alone = request.session_ids.is_empty() && request.user_id.is_empty() && !request.all_but_given;
    if !is_alone || !matches!(request.reason.as_str(), "" | SIGNED_OUT) {
        return Err(Error::field("refresh_token", "goes alone"));
    }
    let mut tx = db.begin().await?;
    let found = store::revoke_by_token(&mut tx, &hash(&request.refresh_token), SIGNED_OUT).await?;
    let Some((user_id, ended)) = found else { return Ok(false) };
    let revocation = tell(&mut tx, user_id, vec![ended], SIGNED_OUT).await?;
    tx.commit().await?;
    mirror.sessions_revoked(&revocation);
    Ok(true)
}

/// Records ended sessions and writes the facts into the caller's transaction. Nothing ended is nothing to tell.
pub(crate) async fn tell(
    tx: &mut PgConnection,
    user_id: UserId,
    ended: Vec<Ended>,
    reason: &'static str,
) -> Result<Revocation, Error> {
    let Some(latest) = ended.iter().map(|ended| ended.access_expires_at).max() else {
        return Ok(Revocation::default());
    };
    let session_ids: Vec<SessionId> = ended.into_iter().map(|ended| ended.session_id).collect();
    let until = latest + CLOCK_SKEW;
    for some in session_ids.chunks(TOLD_AT_ONCE) {
        let id = Uuid::now_v7();
        store::insert_revocation(tx, id, user_id, some, reason).await?;
        let fact = SessionRevoked { session_ids: some.to_vec(), user_id, reason: reason.to_owned(), until };
        bus::outbox::put(tx, &session_revoked(&fact, id)).await?;
    }
    tracing::info!(user.id = %user_id, reason, sessions = session_ids.len(), "ended sessions");
    Ok(Revocation { session_ids, until })
}
