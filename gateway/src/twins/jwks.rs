//! `GET /.well-known/jwks.json`: the keys that access tokens are signed with.

use axum::{
    extract::State,
    response::{IntoResponse, Response as HttpResponse},
};
use http::{HeaderValue, StatusCode, header};

use crate::{error::whole_seconds, http::Door};

pub(super) async fn answer(State(door): State<Door>) -> HttpResponse {
    match door.keys.json().await {
        Some(json) => public(json, "application/jwk-set+json"),
        None => {
            let after = whole_seconds(std::time::Duration::from_secs(2));
            let headers =
                [(header::RETRY_AFTER, after), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
        }
    }
}

/// Something that any page may read.
pub(super) fn public(body: impl IntoResponse, kind: &'static str) -> HttpResponse {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
