//! The end of sessions before their time: the rows, and the fact, in one transaction.

use chrono::{DateTime, Utc};
use events::auth::{SessionRevoked, session_revoked};
use ids::{SessionId, UserId};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    error::Error,
    model::CLOCK_SKEW,
    store::{self, Ended, Mirror},
};

/// Sessions that were ended, and until when a token of theirs could be alive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revocation {
    pub(crate) session_ids: Vec<SessionId>,
    pub(crate) until: DateTime<Utc>,
}

/// Ends those of the sessions that are the caller's; the others are passed over in silence.
pub(crate) async fn revoke_sessions(
    db: &PgPool,
    mirror: &Mirror,
    user_id: UserId,
    session_ids: &[SessionId],
    reason: &'static str,
) -> Result<usize, Error> {
    let mut tx = db.begin().await?;
    let ended = store::revoke_by_ids(&mut tx, user_id, session_ids, reason).await?;
    let revocation = tell(&mut tx, user_id, ended, reason).await?;
    tx.commit().await?;
    mirror.sessions_revoked(&revocation);
    Ok(revocation.session_ids.len())
}

/// Records ended sessions and writes the fact into the caller's transaction. Nothing ended is nothing to tell.
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
    let id = Uuid::now_v7();
    store::insert_revocation(tx, id, user_id, &session_ids, reason).await?;
    let fact = SessionRevoked { session_ids: session_ids.clone(), user_id, reason: reason.to_owned(), until };
    bus::outbox::put(tx, &session_revoked(&fact, id)).await?;
    tracing::info!(user.id = %user_id, reason, sessions = session_ids.len(), "ended sessions");
    Ok(Revocation { session_ids, until })
}
