//! Plain HTTP for what GraphQL does about sessions, as common sign-in libraries want it: they know a path for the
//! nonce, one for the proof, and so on. `openapi.json` describes all of it.

mod answer;
mod jwks;
mod logout;
mod nonce;
mod refresh;
mod session;
mod verify;

use std::net::SocketAddr;

use axum::{
    Router,
    body::Bytes,
    extract::rejection::BytesRejection,
    response::Response as HttpResponse,
    routing::{MethodRouter, get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use tonic::Status;
use tracing::Instrument;

use crate::{
    forgery,
    http::{DEADLINE, Door, request_id, unusable, with_request_id},
    session::Asker,
    twins::answer::{Failure, Reply},
    viewer::{Departing, Refused, Viewer},
    visitor::Visitor,
};

/// A path with its one method.
struct Route(
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "compared with the document; the answer knows its method")
    )]
    &'static str,
    &'static str,
    MethodRouter<Door>,
);

/// What acts for a browser's user, behind the list of origins.
fn routes() -> Vec<Route> {
    vec![
        Route("get", "/auth/nonce", get(nonce::answer)),
        Route("post", "/auth/verify", post(verify::answer)),
        Route("get", "/auth/session", get(session::answer)),
        Route("post", "/auth/refresh", post(refresh::answer)),
        Route("post", "/auth/logout", post(logout::answer)),
    ]
}

/// What is the same for everybody.
fn public_routes() -> Vec<Route> {
    vec![
        Route("get", "/.well-known/jwks.json", get(jwks::answer)),
        Route("get", "/auth/openapi.json", get(async || jwks::public(OPENAPI, "application/json"))),
    ]
}

const OPENAPI: &str = include_str!("openapi.json");

pub(crate) fn router() -> Router<Door> {
    routed(routes()).method_not_allowed_fallback(other_method)
}

/// Beside these answers go `Allow`, which the router adds.
async fn other_method(headers: HeaderMap) -> HttpResponse {
    let request_id = request_id(&headers);
    let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "BAD_INPUT", "the path has another method");
    sealed(failure.written(&request_id), &request_id)
}

pub(crate) fn public_router() -> Router<Door> {
    routed(public_routes())
}

fn routed(routes: Vec<Route>) -> Router<Door> {
    routes.into_iter().fold(Router::new(), |router, Route(_, path, answer)| router.route(path, answer))
}

/// What came behind the head; too much of it is refused in the words of all failures.
type Body = Result<Bytes, BytesRejection>;

/// Everything that a twin knows of its request.
struct Asked<'a> {
    door: &'a Door,
    visitor: Visitor,
    viewer: Result<Viewer, Refused>,
    departing: Option<Departing>,
}

impl Asked<'_> {
    fn asker(&self) -> Asker<'_> {
        Asker {
            peers: &self.door.peers,
            viewers: &self.door.viewers,
            visitor: &self.visitor,
            viewer: self.viewer.as_ref().ok(),
            departing: self.departing.as_ref().map(|departing| &departing.0),
            refused: self.viewer.as_ref().err().copied(),
        }
    }

    /// Whoever is signed in; else why not, and the cookie that was no good is dropped.
    fn viewer(&self) -> Result<&Viewer, Failure> {
        self.viewer.as_ref().map_err(|refused| match refused {
            Refused::Unavailable => Failure::from(&Status::unavailable(refused.message())),
            _ => Failure::unauthenticated(refused.message()).with(unusable(*refused, &self.visitor)),
        })
    }
}

/// Finds out who asks, asks for them within the time that a request may take, and writes what came of it.
async fn answered(
    door: &Door,
    peer: SocketAddr,
    headers: &HeaderMap,
    changes: bool,
    work: impl AsyncFnOnce(Asked<'_>) -> Result<Reply, Failure>,
) -> HttpResponse {
    let request_id = request_id(headers);
    let asked = match forgery::check(headers, &door.origins, changes) {
        Err(forged) => Err(Failure::new(StatusCode::FORBIDDEN, "FORBIDDEN", forged.message())),
        Ok(()) => Ok(Box::pin(meet(door, peer, headers)).await),
    };
    let span = tracing::info_span!("twin", request_id = %request_id);
    let told = match asked {
        Ok(asked) => {
            let work = Box::pin(work(asked));
            rpc::within(DEADLINE, Some(&request_id), work).instrument(span).await
        }
        Err(failure) => Err(failure),
    };
    sealed(told.map_or_else(|failure| failure.written(&request_id), Reply::written), &request_id)
}

/// What every answer carries.
fn sealed(mut response: HttpResponse, request_id: &str) -> HttpResponse {
    let kept = response.headers_mut();
    kept.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    kept.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    with_request_id(response, request_id)
}

async fn meet<'a>(door: &'a Door, peer: SocketAddr, headers: &HeaderMap) -> Asked<'a> {
    let visitor = Visitor::of_request(peer, headers, &door.trusted_proxies);
    let viewer = door.viewers.of_headers(headers).await;
    let departing = match &viewer {
        Err(refused) => door.viewers.departing(*refused, headers).await,
        Ok(_) => None,
    };
    Asked { door, visitor, viewer, departing }
}

/// A JSON body. What a form of another origin can send is refused by its type; no body at all is an empty object.
fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &Body) -> Result<T, Failure> {
    let body: &[u8] = body.as_ref().map_err(|rejection| {
        Failure::new(rejection.status(), "BAD_INPUT", "the body is too large, or broke off")
    })?;
    let said = headers.get(header::CONTENT_TYPE);
    let kind = said.and_then(|kind| kind.to_str().ok()).and_then(|kind| kind.split(';').next());
    let is_json = kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let is_nothing = said.is_none() && body.is_empty();
    if !is_json && !is_nothing {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Failure::new(status, "BAD_INPUT", "the content type must be application/json"));
    }
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|err| {
        Failure::new(StatusCode::BAD_REQUEST, "BAD_INPUT", format!("the body does not fit: {err}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                described.insert((method.clone(), path.clone()));
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("200"), "{path}");
                assert!(operation["operationId"].is_string(), "{path}");
                assert_eq!(method == "post", operation["requestBody"].is_object(), "{path}");
            }
        }
        let served = routes().into_iter().chain(public_routes());
        let served: BTreeSet<_> = served.map(|Route(method, path, _)| (method.into(), path.into())).collect();
        assert_eq!(described, served);
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn only_json_or_nothing_is_read() {
        #[derive(Debug, serde::Deserialize)]
        struct Nothing {}
        let with = |kind: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        assert!(read::<Nothing>(&HeaderMap::new(), &Ok(Bytes::from_static(b""))).is_ok());
        assert!(
            read::<Nothing>(&with("application/json; charset=utf-8"), &Ok(Bytes::from_static(b"{}"))).is_ok()
        );
        assert!(read::<Nothing>(&with("application/json"), &Ok(Bytes::from_static(b""))).is_ok());
        assert!(read::<Nothing>(&HeaderMap::new(), &Ok(Bytes::from_static(b"{}"))).is_err());
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
        {
            assert!(read::<Nothing>(&with(kind), &Ok(Bytes::from_static(b"{}"))).is_err(), "{kind}");
            assert!(read::<Nothing>(&with(kind), &Ok(Bytes::from_static(b""))).is_err(), "{kind}");
        }
    }
}
