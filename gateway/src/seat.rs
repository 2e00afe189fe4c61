//! A place at a socket: who sits there, and until when.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use chrono::Utc;
use rpc::Code;

use crate::{
    error::coded,
    http::Door,
    socket::Close,
    viewer::{Refused, Viewer},
};

/// Shared by a socket and the operations that run over it.
#[derive(Clone)]
pub(crate) struct Seat {
    door: Door,
    viewer: Arc<ArcSwapOption<Viewer>>,
}

impl Seat {
    pub(crate) fn new(door: Door) -> Seat {
        Seat { door, viewer: Arc::default() }
    }

    pub(crate) fn viewer(&self) -> Option<Viewer> {
        self.viewer.load_full().map(|viewer| Viewer::clone(&viewer))
    }

    pub(crate) fn take(&self, viewer: Option<Viewer>) {
        self.viewer.store(viewer.map(Arc::new));
    }

    /// Stays with a newer token. Only for whoever sits here already: what runs over the socket was allowed to them.
    pub(crate) async fn renew(&self, access_token: &str) -> async_graphql::Result<()> {
        let refused = |refused: Refused| coded(refused.code(), refused.message());
        self.look().map_err(|_| refused(Refused::Revoked))?;
        let newer = self.door.viewers.of_token(access_token).await.map_err(refused)?;
        let sitting = self.viewer();
        if sitting.is_none_or(|sitting| sitting.user_id != newer.user_id) {
            return Err(coded(Code::Forbidden.as_str(), "the token is somebody else's"));
        }
        if !self.door.is_session_alive(&newer).await {
            return Err(refused(Refused::Revoked));
        }
        self.take(Some(newer));
        Ok(())
    }

    /// A socket lives no longer than its token, and ends when the session does.
    pub(crate) fn look(&self) -> Result<(), Close> {
        let Some(viewer) = self.viewer.load_full() else { return Ok(()) };
        if self.door.viewers.is_revoked(viewer.session_id) {
            return Err(Close::Unauthorized("The session has ended"));
        }
        if viewer.expires_at <= Utc::now() {
            return Err(Close::Forbidden("The access token has expired"));
        }
        Ok(())
    }
}
