//! `POST /auth/refresh`: the next tokens of a session, for the refresh token of the body or of the cookie.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    response::Response as HttpResponse,
};
use http::HeaderMap;
use serde::Deserialize;

use super::answer::{Body, Reply, heard, opened};
use crate::{http::Door, session::refresh::refresh};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Said {
    refresh_token: Option<String>,
    device_id: Option<String>,
}

pub(super) async fn answer(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: super::Body,
) -> HttpResponse {
    super::answered(&door, peer, &headers, true, async |asked| {
        let said: Said = super::read(&headers, &body)?;
        let told = refresh(&asked.asker(), said.refresh_token, said.device_id).await;
        let (session, cookies) = heard(told)?;
        Ok(Reply::new(Body::Json(opened(&session)?), cookies))
    })
    .await
}
