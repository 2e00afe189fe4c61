//! The session of a request, and any other by its id: shown to its owner only.

use ids::SessionId;
use proto::auth::v1::{Session, ValidateSessionRequest};
use tonic::Status;

use crate::{peers::Peers, viewer::Viewer};

/// A session of the viewer that is alive; somebody else's is answered like one that does not exist.
pub(crate) async fn find(peers: &Peers, viewer: &Viewer, id: SessionId) -> Result<Option<Session>, Status> {
    let asked = ValidateSessionRequest { session_id: id.to_string() };
    let answer = match peers.auth.clone().validate_session(asked).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
        Err(status) => return Err(status),
    };
    let is_own = |session: &Session| session.user_id == viewer.user_id.to_string();
    Ok(answer.session.filter(|session| answer.active && is_own(session)))
}
