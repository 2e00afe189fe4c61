//! Sign-out: fine for whoever asks, also for a guest, and for somebody of whom only the refresh token is left.

use proto::auth::v1::RevokeSessionsRequest;
use rpc::{Code, Refusal};
use tonic::Status;

use super::{Asker, Told, forgotten, refresh};
use crate::{
    cookies,
    viewer::{Refused, Viewer},
};

const REASON: &str = "signed_out";

/// Ends the session of the request, and that of a refresh token which is given. The cookies go with it. Where auth could
/// not be told, the refresh cookie stays: a page cannot see it, and without it nobody could ever try again.
pub(crate) async fn end(asker: &Asker<'_>, given: Option<String>) -> Told<()> {
    let result = end_session(asker, given).await;
    let is_over = result.as_ref().err().is_none_or(refresh::is_dead);
    let cookies = match is_over {
        true => forgotten(asker.visitor),
        false if asker.visitor.takes_cookies() => vec![cookies::forget(cookies::SESSION)],
        false => Vec::new(),
    };
    Told { result, cookies }
}

async fn end_session(asker: &Asker<'_>, given: Option<String>) -> Result<(), Status> {
    let known = asker.viewer.or(asker.departing);
    if let Some(viewer) = known {
        by_access_token(asker, viewer).await?;
    }
    // The access cookie is gone after a quarter of an hour, the session is not.
    let cookie = || asker.visitor.refresh_cookie().filter(|_| known.is_none());
    let token = given.or_else(|| cookie().map(|token| token.expose().to_owned()));
    match token {
        Some(token) => by_refresh_token(asker, token).await,
        None if known.is_some() => Ok(()),
        None => unproven(asker),
    }
}

async fn by_access_token(asker: &Asker<'_>, viewer: &Viewer) -> Result<(), Status> {
    let asked = RevokeSessionsRequest {
        session_ids: vec![viewer.session_id.to_string()],
        reason: REASON.to_owned(),
        ..Default::default()
    };
    asker.peers.auth.clone().revoke_sessions(rpc::caller::acting(asked, &viewer.caller())).await?;
    asker.viewers.ended(viewer.session_id);
    Ok(())
}

/// Who holds the refresh token may have new tokens, so may surely end the session. Nothing is used up for it, so that it
/// can be tried again.
async fn by_refresh_token(asker: &Asker<'_>, refresh_token: String) -> Result<(), Status> {
    if !refresh::is_possible(&refresh_token) {
        return Ok(());
    }
    let asked = RevokeSessionsRequest { refresh_token, reason: REASON.to_owned(), ..Default::default() };
    asker.peers.auth.clone().revoke_sessions(asked).await?;
    Ok(())
}

/// A guest may leave. Whoever shows a token that says nothing must not hear that a session has ended.
fn unproven(asker: &Asker<'_>) -> Result<(), Status> {
    match asker.refused {
        Some(Refused::Unavailable) => Err(Status::unavailable(Refused::Unavailable.message())),
        Some(refused @ (Refused::Invalid | Refused::Expired)) if !asker.visitor.takes_cookies() => {
            Err(Refusal::new(Code::Unauthenticated, "UNAUTHENTICATED", refused.message()).into())
        }
        _ => Ok(()),
    }
}
