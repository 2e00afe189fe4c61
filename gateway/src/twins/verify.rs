//! `POST /auth/verify`: signs in with a signed message.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    response::Response as HttpResponse,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::answer::{Body, Failure, Reply, heard, opened};
use crate::{
    http::Door,
    schema::scalar::Hex,
    session::begin::{Proof, begin},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Said {
    message: String,
    signature: String,
    #[serde(default)]
    delivery: Delivery,
    device_id: Option<String>,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Delivery {
    #[default]
    Cookie,
    Bearer,
}

pub(super) async fn answer(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: super::Body,
) -> HttpResponse {
    super::answered(&door, peer, &headers, true, async |asked| {
        let said: Said = super::read(&headers, &body)?;
        let signature: Hex = said.signature.parse().map_err(|why| {
            Failure::new(StatusCode::BAD_REQUEST, "BAD_INPUT", format!("the signature {why}"))
        })?;
        let proof = Proof {
            message: said.message,
            signature: signature.0,
            as_cookies: said.delivery == Delivery::Cookie,
            device_id: said.device_id,
        };
        let (session, cookies) = heard(begin(&asked.asker(), proof).await)?;
        Ok(Reply::new(Body::Json(opened(&session)?), cookies))
    })
    .await
}
