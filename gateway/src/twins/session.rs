//! `GET /auth/session`: who is signed in, by token or by cookie.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    response::Response as HttpResponse,
};
use http::HeaderMap;
use serde_json::json;

use super::answer::{self, Body, Failure, Reply, written};
use crate::{
    http::{Door, unusable},
    schema::{node, scalar::DateTime},
    session::current,
    viewer::Refused,
};

pub(super) async fn answer(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> HttpResponse {
    super::answered(&door, peer, &headers, false, async |asked| {
        let viewer = asked.viewer()?;
        let found = current::find(&asked.door.peers, viewer, viewer.session_id).await;
        let session = found.map_err(|status| Failure::from(&status))?.ok_or_else(|| {
            let ended = Refused::Revoked;
            Failure::unauthenticated(ended.message()).with(unusable(ended, &asked.visitor))
        })?;
        let body = json!({
            "session": answer::session(&session)?,
            "userId": node::id("User", viewer.user_id).0,
            "roles": viewer.roles,
            "accessTokenExpiresAt": written(DateTime(viewer.expires_at)),
        });
        Ok(Reply::new(Body::Json(body), Vec::new()))
    })
    .await
}
