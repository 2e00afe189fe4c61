//! Sign-out: fine for whoever asks, also for a guest, and for somebody of whom only the refresh cookie is left.

use proto::{
    auth::v1::{RefreshSessionRequest, RevokeSessionsRequest},
    common::v1::Caller,
};
use tonic::Status;

use super::{Asker, Told, forgotten, refresh::is_dead};

/// Ends the session of the request. The cookies go in any case: a token that nobody holds does no harm.
pub(crate) async fn end(asker: &Asker<'_>) -> Told<()> {
    Told { result: end_session(asker).await, cookies: forgotten(asker.visitor) }
}

async fn end_session(asker: &Asker<'_>) -> Result<(), Status> {
    let known = asker.viewer.or(asker.departing).map(|viewer| viewer.caller());
    let caller = match known {
        Some(caller) => Some(caller),
        None => by_refresh_cookie(asker).await?,
    };
    let Some(caller) = caller else { return Ok(()) };
    let session_id = caller.session_id.clone();
    let asked = RevokeSessionsRequest {
        session_ids: vec![session_id.clone()],
        reason: "signed_out".to_owned(),
        ..Default::default()
    };
    asker.peers.auth.clone().revoke_sessions(rpc::caller::acting(asked, &caller)).await?;
    if let Ok(session) = session_id.parse() {
        asker.viewers.ended(session);
    }
    Ok(())
}

/// The access cookie is gone after a quarter of an hour, the session is not. Who holds the refresh token may have new
/// tokens, so may surely end the session: it is used up to learn whose it is, and what comes back is thrown away.
async fn by_refresh_cookie(asker: &Asker<'_>) -> Result<Option<Caller>, Status> {
    let Some(token) = asker.visitor.refresh_cookie() else { return Ok(None) };
    let asked = RefreshSessionRequest {
        refresh_token: token.expose().to_owned(),
        client: Some(asker.visitor.to_wire(None)),
    };
    match asker.peers.auth.clone().refresh_session(asked).await {
        Ok(answer) => Ok(answer.into_inner().session.map(|session| Caller {
            user_id: session.user_id,
            session_id: session.session_id,
            account_id: session.account_id,
            roles: Vec::new(),
        })),
        Err(status) if is_dead(&status) => Ok(None),
        Err(status) => Err(status),
    }
}
