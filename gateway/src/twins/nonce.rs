//! `GET /auth/nonce`: a nonce as plain text, or with everything about it as JSON where that is asked for by name.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    response::Response as HttpResponse,
};
use http::{HeaderMap, header};
use proto::auth::v1::NoncePurpose;
use serde_json::json;

use super::answer::{Body, Reply, heard, written};
use crate::{http::Door, schema::scalar::moment_of, session::ask_nonce::ask_nonce};

pub(super) async fn answer(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> HttpResponse {
    let as_json = names_json(&headers);
    super::answered(&door, peer, &headers, false, async |asked| {
        let told = ask_nonce(&asked.asker(), NoncePurpose::SignIn, String::new()).await;
        let (nonce, cookies) = heard(told)?;
        let body = match as_json {
            false => Body::Text(nonce.nonce),
            true => Body::Json(json!({
                "nonce": nonce.nonce,
                "expiresAt": written(moment_of(nonce.expire_time.as_ref())),
                "domain": nonce.domain,
                "uri": nonce.uri,
                "statement": nonce.statement,
                "chainIds": nonce.chain_ids,
            })),
        };
        Ok(Reply::new(body, cookies))
    })
    .await
}

/// Whether JSON is asked for by name: `*/*` is what clients send that never thought about it.
fn names_json(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let mut kinds = accepts.flat_map(|accept| accept.split(',')).filter_map(|part| part.split(';').next());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
