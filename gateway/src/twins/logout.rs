//! `POST /auth/logout`: ends the session of the request; fine when there is none.

use std::net::SocketAddr;

use axum::{
    body::Bytes,
    extract::{ConnectInfo, State},
    response::Response as HttpResponse,
};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Body, Reply, heard};
use crate::{http::Door, session::end::end};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {}

pub(super) async fn answer(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    super::answered(&door, peer, &headers, true, async |asked| {
        let Said {} = super::read(&headers, &body)?;
        let ((), cookies) = heard(end(&asked.asker()).await)?;
        Ok(Reply::new(Body::Json(json!({ "ok": true })), cookies))
    })
    .await
}
