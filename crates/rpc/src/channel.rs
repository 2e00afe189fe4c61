//! A way out to one service: with a deadline, a bound on calls in flight, a breaker, and the trace carried along.
//!
//! Nothing is retried here: what may be repeated is known where the call is made.
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use prometheus::IntGauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tonic::{Status, body::Body, transport::Endpoint};
use tower::{Service, ServiceExt};
use tracing::{Instrument, Span, field::Empty};
use url::Url;

use crate::{
    Code, Identity, Refusal,
    body::Bounded,
    breaker::{Breaker, Outcome},
    budget::{self, Budget},
    calls::{self, Method},
    connect::Connector,
    guard::{code_of, labels},
    metrics::{ASKED, ASKING, IN_FLIGHT, code_name},
    trace,
};

const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);
const CALLS_IN_FLIGHT: usize = 256;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A call that had less time than this says nothing about its target.
const FAIR_CHANCE: Duration = Duration::from_millis(250);

/// Calls to one service; cheap to clone, and what generated clients are built on.
#[derive(Clone)]
pub struct Channel {
    inner: tonic::transport::Channel,
    target: Arc<Target>,
}

struct Target {
    name: &'static str,
    permits: Arc<Semaphore>,
    breaker: Breaker,
}

/// A way to the service whose kebab name is `target`, at `https://host:port`. Connects at the first call, and again
/// when a connection ends. Wants a Tokio runtime.
pub fn channel(target: &'static str, url: &Url, identity: &Identity) -> anyhow::Result<Channel> {
    if url.scheme() != "https" {
        bail!("{target}: expected https://host:port, calls are always encrypted");
    }
    let host = url.host_str().with_context(|| format!("{target}: the URL has no host"))?;
    let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(443));
    let connector = Connector::new(target, address.clone(), identity.clone())?;
    // `http` because the connector brings the TLS; tonic would add its own on `https`.
    let inner = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(32 * 1024)
        .connect_with_connector_lazy(connector);
    let permits = Arc::new(Semaphore::new(CALLS_IN_FLIGHT));
    Ok(Channel { inner, target: Arc::new(Target { name: target, permits, breaker: Breaker::new(target) }) })
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("target", &self.target.name).finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Readiness is part of the call, so that its wait is under the call's deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { inner, target } = self.clone();
        let method = calls::method(request.uri().path());
        let (service, name) = labels(method);
        let span = tracing::info_span!(
            "ask",
            otel.name = format!("{service}/{name}"),
            otel.kind = "client",
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = name,
            rpc.grpc.status_code = Empty,
            peer.service = target.name,
        );
        let call = async move {
            let began = Instant::now();
            let answer = ask(inner, &target, method, request, began).await;
            let code = answer.as_ref().map_or_else(Status::code, code_of);
            Span::current().record("rpc.grpc.status_code", code as i32);
            ASKED.with_label_values(&[target.name, service, name, code_name(code)]).inc();
            ASKING.with_label_values(&[target.name, name]).observe(began.elapsed().as_secs_f64());
            answer
        };
        Box::pin(call.instrument(span))
    }
}

async fn ask(
    mut inner: tonic::transport::Channel,
    target: &Target,
    method: Option<&'static Method>,
    mut request: Request<Body>,
    began: Instant,
) -> Result<Response<Body>, Status> {
    let time = time_for(&request);
    if time.is_zero() {
        return Err(late());
    }
    let Ok(permit) = target.permits.clone().try_acquire_owned() else {
        return Err(unavailable(target, "has too many calls in flight", None));
    };
    let in_flight = InFlight::new(target, permit);
    let admission = target
        .breaker
        .admit()
        .map_err(|wait| unavailable(target, "does not answer at present", Some(wait)))?;

    let deadline = began + time;
    let headers = request.headers_mut();
    budget::write(headers, time);
    trace::carry(headers, &Span::current());
    if let Some(budget) = Budget::current()
        && let Ok(id) = HeaderValue::from_str(&budget.request_id)
    {
        headers.insert(budget::REQUEST_ID, id);
    }

    let sent = async { inner.ready().await?.call(request).await };
    let answer = match tokio::time::timeout_at(deadline, sent).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(err)) => {
            tracing::warn!(error = %chain(&err), peer.service = target.name, "could not reach a service");
            Err(unavailable(target, "cannot be reached", None))
        }
        Err(_elapsed) => Err(late()),
    };
    let code = answer.as_ref().map_or_else(Status::code, code_of);
    let heard = match &answer {
        Ok(response) if is_in_its_own_words(response) => Outcome::Answered,
        _ => outcome(code, time),
    };
    admission.tell(heard);
    let until = method.is_some_and(|m| !m.is_streaming).then_some(deadline);
    answer.map(|answer| answer.map(|body| Body::new(Bounded::new(body, until, in_flight))))
}

/// The least of: what the caller of this process still waits, what the request says itself, the default.
fn time_for(request: &Request<Body>) -> Duration {
    let said = budget::read(request.headers()).unwrap_or(DEFAULT_DEADLINE);
    budget::remaining().map_or(said, |left| left.min(said))
}

/// A service that says in detail what it lacks is alive, whatever that is: only a silent one is spared calls.
fn is_in_its_own_words(response: &Response<Body>) -> bool {
    response.headers().contains_key("grpc-status-details-bin")
}

fn outcome(code: tonic::Code, time: Duration) -> Outcome {
    match code {
        tonic::Code::Unavailable => Outcome::Failed,
        tonic::Code::DeadlineExceeded if time >= FAIR_CHANCE => Outcome::Failed,
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Outcome::Unknown,
        // Any other answer, also a refusal, is a sign of life.
        _ => Outcome::Answered,
    }
}

fn late() -> Status {
    Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "no answer in time").into()
}

fn unavailable(target: &Target, what: &str, wait: Option<Duration>) -> Status {
    let mut refusal = Refusal::new(Code::Unavailable, "UNAVAILABLE", format!("{} {what}", target.name));
    refusal.retry_after = wait;
    refusal.into()
}

fn chain(err: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(err.source(), |cause| cause.source());
    causes.fold(err.to_string(), |said, cause| format!("{said}: {cause}"))
}

/// A call counts until its answer's body has ended.
struct InFlight {
    gauge: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    fn new(target: &Target, permit: OwnedSemaphorePermit) -> Self {
        let gauge = IN_FLIGHT.with_label_values(&[target.name]);
        gauge.inc();
        Self { gauge, _permit: permit }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
