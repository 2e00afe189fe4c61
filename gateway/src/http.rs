//! The door in by HTTP.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use async_graphql::{Request, Response};
use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, State, WebSocketUpgrade},
    response::{IntoResponse, Response as HttpResponse},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    timeout::TimeoutLayer,
};
use tracing::Instrument;

use crate::{
    Config,
    config::Limits,
    error,
    keys::Keys,
    live::Live,
    loaders,
    negotiate::{self, Malformed, Media},
    peers::Peers,
    schema::{Schema, Visitor},
    viewer::{FORGET_SESSION, Refused, Viewer, Viewers},
    websocket,
};

/// What all calls of one request may take together.
const DEADLINE: Duration = Duration::from_secs(5);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the HTTP and the WebSocket door need.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) schema: Schema,
    pub(crate) viewers: Viewers,
    pub(crate) peers: Peers,
    pub(crate) limits: Limits,
    pub(crate) origins: Arc<Vec<String>>,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) stopping: CancellationToken,
    keys: Arc<Keys>,
    graphiql: Option<PathBuf>,
}

impl Door {
    pub(crate) fn new(
        config: &Config,
        schema: Schema,
        viewers: Viewers,
        keys: Arc<Keys>,
        _live: Live,
        peers: Peers,
        stopping: CancellationToken,
    ) -> Door {
        let own = config.public_url.origin().ascii_serialization();
        let origins = config.origins.iter().cloned().chain([own]).collect();
        let sockets = Arc::new(Semaphore::new(config.limits.sockets));
        let graphiql = config.graphiql.clone();
        let (limits, origins) = (config.limits, Arc::new(origins));
        Door { schema, viewers, peers, limits, origins, sockets, stopping, keys, graphiql }
    }

    /// Whether a page of that origin may act for its user. Clients that are not browsers send none.
    pub(crate) fn allows_origin(&self, headers: &HeaderMap) -> bool {
        match headers.get(header::ORIGIN) {
            None => true,
            Some(origin) => {
                origin.to_str().is_ok_and(|origin| self.origins.iter().any(|known| known == origin))
            }
        }
    }

    /// The request with everything that resolvers ask the context for.
    pub(crate) fn furnish(&self, request: Request, viewer: Option<Viewer>, client: Visitor) -> Request {
        let request = request.data(loaders::Loaders::new(&self.peers)).data(client);
        match viewer {
            Some(viewer) => request.data(viewer),
            None => request,
        }
    }
}

/// Serves until the process stops.
pub(crate) async fn serve(addr: SocketAddr, door: Door) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(addr).await.with_context(|| format!("http_addr: cannot listen on {addr}"))?;
    tracing::info!(addr = %listener.local_addr()?, "listening for frontends");
    let stopping = door.stopping.clone();
    let service = router(door).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stopping.cancelled_owned()).await?;
    Ok(())
}

fn router(door: Door) -> Router {
    let limit = door.limits.body_bytes;
    let known: Vec<HeaderValue> = door.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(known))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT, REQUEST_ID])
        .expose_headers([REQUEST_ID])
        .max_age(Duration::from_secs(600));
    let timed = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(30));
    Router::new()
        .route("/graphql", get(query).post(post))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/graphiql", get(graphiql))
        .route("/graphiql/{file}", get(graphiql_file))
        .layer(timed)
        .layer(DefaultBodyLimit::max(limit))
        .layer(cors)
        .with_state(door)
}

async fn post(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let Some(media) = Media::accepted(&headers) else { return StatusCode::NOT_ACCEPTABLE.into_response() };
    match negotiate::from_body(&headers, &body) {
        Ok(request) => execute(&door, peer, &headers, request, media).await,
        Err(malformed) => malformed.answer(media),
    }
}

async fn query(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> HttpResponse {
    if let Ok(upgrade) = upgrade {
        return websocket::open(door, upgrade, &headers, peer);
    }
    let Some(media) = Media::accepted(&headers) else { return StatusCode::NOT_ACCEPTABLE.into_response() };
    let mut request = match negotiate::from_query(raw.as_deref().unwrap_or_default()) {
        Ok(request) => request,
        Err(malformed) => return malformed.answer(media),
    };
    // A link or an image of another page can make a browser GET; it must not be able to change anything.
    if is_mutation(&mut request) {
        let malformed = Malformed::new(StatusCode::METHOD_NOT_ALLOWED, "mutations go by POST");
        let mut response = malformed.answer(media);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    execute(&door, peer, &headers, request, media).await
}

fn is_mutation(request: &mut Request) -> bool {
    let named = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else { return false };
    document.operations.iter().any(|(name, operation)| {
        let is_meant = named.as_deref().is_none_or(|named| name.is_none_or(|name| name.as_str() == named));
        is_meant && operation.node.ty == async_graphql::parser::types::OperationType::Mutation
    })
}

async fn execute(
    door: &Door,
    peer: SocketAddr,
    headers: &HeaderMap,
    request: Request,
    media: Media,
) -> HttpResponse {
    if !door.allows_origin(headers) {
        return Malformed::new(StatusCode::FORBIDDEN, "this origin is not allowed").answer(media);
    }
    let request_id = request_id(headers);
    let viewer = match door.viewers.of_headers(headers).await {
        Ok(viewer) => Some(viewer),
        Err(Refused::Absent) => None,
        Err(refused) => return unauthenticated(refused, headers, &request_id, media),
    };
    let client = Visitor::new(peer, headers);
    let operation = request.operation_name.clone().unwrap_or_default();
    let span = tracing::info_span!("graphql", request.id = %request_id, graphql.operation = %operation);
    let response = async {
        let executed = door.schema.execute(door.furnish(request, viewer, client));
        let mut response = rpc::within(DEADLINE, Some(&request_id), executed).await;
        finish(&mut response, &request_id);
        response
    }
    .instrument(span)
    .await;
    with_request_id(negotiate::answer(&response, media), &request_id)
}

/// Codes and ids for every error of a response.
pub(crate) fn finish(response: &mut Response, request_id: &str) {
    let traceparent = launch::trace::current_traceparent();
    let trace_id = traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
    for error in &mut response.errors {
        error::finish(error, request_id, trace_id);
    }
}

fn unauthenticated(refused: Refused, headers: &HeaderMap, request_id: &str, media: Media) -> HttpResponse {
    let error = async_graphql::ServerError::new(refused.message(), None);
    let mut response = Response::from_errors(vec![error]);
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_with(Default::default);
        extensions.set("code", error::UNAUTHENTICATED);
    }
    finish(&mut response, request_id);
    let mut answer = negotiate::answer(&response, media);
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    // A page cannot drop a cookie that it cannot see: without this it could not even sign in again.
    if headers.get(header::AUTHORIZATION).is_none() {
        answer.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static(FORGET_SESSION));
    }
    with_request_id(answer, request_id)
}

fn with_request_id(mut response: HttpResponse, request_id: &str) -> HttpResponse {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The client's own id where it is a plain word, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    given.filter(is_plain).map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

async fn jwks(State(door): State<Door>) -> HttpResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    match door.keys.json().await {
        Some(json) => (headers, json).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn graphiql(state: State<Door>) -> HttpResponse {
    graphiql_file(state, Path("index.html".to_owned())).await
}

/// GraphiQL's own files, from a folder: nothing is loaded from another host.
async fn graphiql_file(State(door): State<Door>, Path(file): Path<String>) -> HttpResponse {
    let kind = match file.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    // One path segment of plain characters: there is no way out of the folder.
    let is_plain = file.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let Some(folder) = door.graphiql.as_ref().filter(|_| is_plain && !file.starts_with('.')) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let policy = "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                  img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src blob:; \
                  frame-ancestors 'none'; base-uri 'none'";
    match tokio::fs::read(folder.join(&file)).await {
        Ok(bytes) => {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_SECURITY_POLICY, policy),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, bytes).into_response()
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
