//! What happens around every call that comes in: may this service call it, by when, as part of which trace, with what
//! outcome. A handler that panics answers INTERNAL and hurts nobody else.
use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty};

use crate::{
    Code, Refusal,
    budget::{self, Budget},
    caller::Peer,
    calls::{self, Method},
    metrics::{HANDLED, HANDLING, code_name},
    trace,
};

const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
const LONGEST_DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub(crate) struct GuardLayer;

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Guard<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let asked = budget::read(request.headers());
        let time = asked.unwrap_or(DEFAULT_DEADLINE).min(LONGEST_DEADLINE);
        let deadline = Instant::now() + time;

        let path = request.uri().path().to_owned();
        let method = calls::method(&path);
        let peer = request.extensions().get::<Peer>().cloned();
        let allowed = peer.as_ref().is_some_and(|peer| calls::is_allowed(peer.name(), &path));
        let request_id = request_id(request.headers());
        let span = span(method, peer.as_ref(), &request_id);
        trace::continue_from(request.headers(), &span);

        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let watch = Watch { method, began: Instant::now(), deadline, done: false };
        let handled = async move {
            let answer = if allowed {
                // The routes clone a handler for each call; a panic leaves no half-changed state behind.
                let work = AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind();
                let scoped = Budget { deadline, request_id }.scope(work);
                match tokio::time::timeout_at(deadline, scoped).await {
                    Ok(Ok(Ok(answer))) => answer,
                    Ok(Err(_panic)) => status(Code::Internal, "INTERNAL", "internal error"),
                    Err(_elapsed) => status(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "no answer in time"),
                }
            } else {
                tracing::warn!(rpc.path = path, "refused a call that docs/calls.txt does not allow");
                status(Code::Forbidden, "FORBIDDEN", "this service may not make this call")
            };
            let code = code_of(&answer);
            Span::current().record("rpc.grpc.status_code", code as i32);
            watch.finish(code);
            Ok(answer)
        };
        Box::pin(handled.instrument(span))
    }
}

fn span(method: Option<&'static Method>, peer: Option<&Peer>, request_id: &str) -> Span {
    let (service, name) = labels(method);
    tracing::info_span!(
        "call",
        otel.name = format!("{service}/{name}"),
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = name,
        rpc.grpc.status_code = Empty,
        peer.service = peer.map_or("unknown", Peer::name),
        request_id,
    )
}

/// A path that no descriptor knows must not become a label: anybody can make up paths.
pub(crate) fn labels(method: Option<&'static Method>) -> (&'static str, &'static str) {
    method.map_or(("unknown", "unknown"), |m| (m.service.as_str(), m.name.as_str()))
}

fn request_id(headers: &HeaderMap) -> Arc<str> {
    let said = headers.get(budget::REQUEST_ID).and_then(|v| v.to_str().ok());
    let usable = said.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
    usable.map_or_else(budget::new_request_id, Arc::from)
}

fn status(code: Code, reason: &'static str, message: &str) -> Response<Body> {
    Status::from(Refusal::new(code, reason, message)).into_http()
}

/// A call that fails says so in its headers; one that has begun to answer is counted as answered.
pub(crate) fn code_of<B>(answer: &Response<B>) -> tonic::Code {
    let said = answer.headers().get("grpc-status").map(|code| tonic::Code::from_bytes(code.as_bytes()));
    said.unwrap_or(tonic::Code::Ok)
}

/// Counts the call whatever becomes of it, also when the caller hangs up.
struct Watch {
    method: Option<&'static Method>,
    began: Instant,
    deadline: Instant,
    done: bool,
}

impl Watch {
    fn finish(mut self, code: tonic::Code) {
        self.done = true;
        self.count(code);
    }

    fn count(&self, code: tonic::Code) {
        let (service, name) = labels(self.method);
        HANDLED.with_label_values(&[service, name, code_name(code)]).inc();
        HANDLING.with_label_values(&[service, name]).observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.done {
            let late = Instant::now() >= self.deadline;
            self.count(if late { tonic::Code::DeadlineExceeded } else { tonic::Code::Cancelled });
        }
    }
}
