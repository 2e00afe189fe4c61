//! The door in by HTTP.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use async_graphql::{
    Request, Response,
    parser::types::{OperationType, Selection},
};
use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, State, WebSocketUpgrade},
    response::{IntoResponse, Response as HttpResponse},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ids::SessionId;
use moka::future::Cache;
use proto::auth::v1::ValidateSessionRequest;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    timeout::TimeoutLayer,
};
use tracing::Instrument;

use crate::{
    Config, accept,
    config::Limits,
    cookies, error, forgery,
    keys::Keys,
    loaders,
    negotiate::{self, Malformed, Media},
    peers::Peers,
    proxies::Network,
    schema::Schema,
    session, twins,
    viewer::{Refused, Viewer, Viewers},
    visitor::Visitor,
    websocket,
};

/// What all calls of one request may take together.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long an answer about a session is good for a further socket of it.
const ALIVE_FOR: Duration = Duration::from_secs(5);

/// What the HTTP and the WebSocket door need.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) schema: Schema,
    pub(crate) viewers: Viewers,
    pub(crate) peers: Peers,
    pub(crate) limits: Limits,
    pub(crate) origins: Arc<[String]>,
    pub(crate) trusted_proxies: Arc<[Network]>,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) stopping: CancellationToken,
    pub(crate) keys: Arc<Keys>,
    alive: Cache<SessionId, bool>,
    graphiql: Option<PathBuf>,
}

impl Door {
    pub(crate) fn new(
        config: &Config,
        schema: Schema,
        viewers: Viewers,
        keys: Arc<Keys>,
        peers: Peers,
        stopping: CancellationToken,
    ) -> Door {
        let own = config.public_url.origin().ascii_serialization();
        Door {
            schema,
            viewers,
            peers,
            limits: config.limits,
            origins: config.origins.iter().cloned().chain([own]).collect(),
            trusted_proxies: config.trusted_proxies.as_slice().into(),
            sockets: Arc::new(Semaphore::new(config.limits.sockets)),
            stopping,
            keys,
            alive: Cache::builder().max_capacity(10_000).time_to_live(ALIVE_FOR).build(),
            graphiql: config.graphiql.clone(),
        }
    }

    /// Whether auth knows the session as alive: a revocation that happened while no gateway listened is seen here.
    pub(crate) async fn is_session_alive(&self, viewer: &Viewer) -> bool {
        let session_id = viewer.session_id;
        let ask = async {
            let asked = ValidateSessionRequest { session_id: session_id.to_string() };
            match self.peers.auth.clone().validate_session(asked).await {
                Ok(answer) => Ok(answer.get_ref().active),
                Err(status) if status.code() == tonic::Code::NotFound => Ok(false),
                Err(status) => Err(status),
            }
        };
        match self.alive.try_get_with(session_id, ask).await {
            Ok(is_alive) => is_alive,
            // Auth being away must not end sessions: the token is good and no revocation of it is known.
            Err(status) => {
                tracing::warn!(error = %status, "session could not be validated");
                true
            }
        }
    }

    /// The request with everything that resolvers ask the context for.
    pub(crate) fn furnish(&self, request: Request, viewer: Option<Viewer>, client: Visitor) -> Request {
        let loaders = loaders::Loaders::new(&self.peers);
        let request = request.data(loaders).data(client).data(self.viewers.clone());
        match viewer {
            Some(viewer) => request.data(viewer),
            None => request,
        }
    }
}

/// Serves until the process stops.
pub(crate) async fn serve(listener: TcpListener, door: Door) -> anyhow::Result<()> {
    tracing::info!(addr = %listener.local_addr()?, "listening for frontends");
    let stopping = door.stopping.clone();
    accept::serve(listener, router(door), stopping).await
}

fn router(door: Door) -> Router {
    let limit = door.limits.body_bytes;
    let timed = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(30));
    let credentialed = Router::new()
        .route("/graphql", get(query).post(post))
        .merge(twins::router())
        .layer(timed)
        // Outermost: a page may read also that its request took too long.
        .layer(cors(&door.origins));
    // Public to everybody and the same for everybody: these take no cookies, and say so by themselves.
    let public = twins::public_router()
        .route("/graphiql", get(graphiql))
        .route("/graphiql/{file}", get(graphiql_file))
        .layer(timed);
    credentialed.merge(public).layer(DefaultBodyLimit::max(limit)).with_state(door)
}

/// Origins are compared whole, and never answered with `*`.
fn cors(origins: &[String]) -> CorsLayer {
    let known: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let [requested_with, preflight] = forgery::PROOFS.map(HeaderName::from_static);
    let (authorization, content_type, accept) = (header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(known))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([authorization, content_type, accept, REQUEST_ID, requested_with, preflight])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

async fn post(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let Some(media) = Media::accepted(&headers) else { return StatusCode::NOT_ACCEPTABLE.into_response() };
    match negotiate::from_body(&headers, &body) {
        Ok(request) => execute(&door, peer, &headers, request, media, true).await,
        Err(malformed) => malformed.answer(media, &request_id(&headers)),
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
        Err(malformed) => return malformed.answer(media, &request_id(&headers)),
    };
    // A link or an image of another page can make a browser GET; it must not be able to change anything.
    if is_mutation(&mut request) {
        let malformed = Malformed::new(StatusCode::METHOD_NOT_ALLOWED, "mutations go by POST");
        let mut response = malformed.answer(media, &request_id(&headers));
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    execute(&door, peer, &headers, request, media, false).await
}

fn is_mutation(request: &mut Request) -> bool {
    can_be(request, OperationType::Mutation)
}

/// Whether the operation is a subscription; one that cannot be read answers once, with an error.
pub(crate) fn is_subscription(request: &mut Request) -> bool {
    can_be(request, OperationType::Subscription)
}

fn can_be(request: &mut Request, kind: OperationType) -> bool {
    let named = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else { return false };
    document.operations.iter().any(|(name, operation)| {
        let is_meant = named.as_deref().is_none_or(|named| name.is_none_or(|name| name.as_str() == named));
        is_meant && operation.node.ty == kind
    })
}

/// Whether the operation asks for nothing but what somebody needs whose access token is no longer good.
fn is_about_sessions(request: &mut Request) -> bool {
    const FIELDS: [&str; 5] = ["issueSiweNonce", "verifySiwe", "refreshSession", "signOut", "__typename"];
    let named = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else { return false };
    let mut operations = document.operations.iter().filter(|(name, _)| {
        named.as_deref().is_none_or(|named| name.is_none_or(|name| name.as_str() == named))
    });
    let (Some((_, operation)), None) = (operations.next(), operations.next()) else { return false };
    let fields = &operation.node.selection_set.node.items;
    operation.node.ty == OperationType::Mutation
        && fields.iter().all(|item| match &item.node {
            Selection::Field(field) => FIELDS.contains(&field.node.name.node.as_str()),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => false,
        })
}

async fn execute(
    door: &Door,
    peer: SocketAddr,
    headers: &HeaderMap,
    mut request: Request,
    media: Media,
    changes: bool,
) -> HttpResponse {
    let request_id = request_id(headers);
    if let Err(forged) = forgery::check(headers, &door.origins, changes) {
        return Malformed::new(StatusCode::FORBIDDEN, forged.message()).answer(media, &request_id);
    }
    let client = Visitor::of_request(peer, headers, &door.trusted_proxies);
    let viewer = match door.viewers.of_headers(headers).await {
        Ok(viewer) => Some(viewer),
        Err(Refused::Absent) => None,
        // Whoever wants to sign in, refresh or sign out does so because the old token is no longer good.
        Err(refused) if is_about_sessions(&mut request) => {
            request = request.data(refused);
            if let Some(departing) = door.viewers.departing(refused, headers).await {
                request = request.data(departing);
            }
            None
        }
        Err(refused) => return turned_away(refused, &client, &request_id, media),
    };
    let operation = request.operation_name.clone().unwrap_or_default();
    let span = tracing::info_span!("graphql", request_id = %request_id, graphql.operation = %operation);
    let response = async {
        let executed = door.schema.execute(door.furnish(request, viewer, client));
        let mut response = rpc::within(DEADLINE, Some(&request_id), executed).await;
        finish(&mut response, &request_id);
        response
    }
    .instrument(span)
    .await;
    let mut answer = negotiate::answer(&response, media);
    for (name, value) in &response.http_headers {
        answer.headers_mut().append(name, value.clone());
    }
    if let Some(after) = error::retry_after(&response.errors) {
        answer.headers_mut().insert(header::RETRY_AFTER, after);
    }
    with_request_id(answer, &request_id)
}

/// Codes and ids for every error of a response.
pub(crate) fn finish(response: &mut Response, request_id: &str) {
    let traceparent = launch::trace::current_traceparent();
    let trace_id = traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
    for error in &mut response.errors {
        error::finish(error, request_id, trace_id);
    }
}

fn turned_away(refused: Refused, client: &Visitor, request_id: &str, media: Media) -> HttpResponse {
    let error = async_graphql::ServerError::new(refused.message(), None);
    let mut response = Response::from_errors(vec![error]);
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_with(Default::default);
        extensions.set("code", refused.code());
    }
    finish(&mut response, request_id);
    let mut answer = negotiate::answer(&response, media);
    let (status, name, value) = match refused {
        Refused::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            header::RETRY_AFTER,
            error::whole_seconds(Duration::from_secs(1)),
        ),
        _ => (StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
    };
    *answer.status_mut() = status;
    answer.headers_mut().insert(name, value);
    for cookie in unusable(refused, client) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    with_request_id(answer, request_id)
}

/// A page cannot drop a cookie that it cannot see: without this every further request of it would fail the same way.
pub(crate) fn unusable(refused: Refused, client: &Visitor) -> Vec<HeaderValue> {
    match refused {
        // With its session the refresh token has ended as well.
        Refused::Revoked => session::forgotten(client),
        Refused::Expired | Refused::Invalid if client.takes_cookies() => {
            vec![cookies::forget(cookies::SESSION)]
        }
        _ => Vec::new(),
    }
}

pub(crate) fn with_request_id(mut response: HttpResponse, request_id: &str) -> HttpResponse {
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
