//! `POST /auth/logout`: ends the session of the request, or of a refresh token; fine when there is none.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    response::Response as HttpResponse,
};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Body, Reply, heard};
use crate::{http::Door, session::end::end};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Said {
    refresh_token: Option<String>,
}

pub(super) async fn answer(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: super::Body,
) -> HttpResponse {
    super::answered(&door, peer, &headers, true, async |asked| {
        let said: Said = super::read(&headers, &body)?;
        let ((), cookies) = heard(end(&asked.asker(), said.refresh_token).await)?;
        Ok(Reply::new(Body::Json(json!({ "ok": true })), cookies))
    })
    .await
}
