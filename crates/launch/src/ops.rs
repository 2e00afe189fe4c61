//! The operations port: is it alive, can it work, how is it doing.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use futures::future::{BoxFuture, join_all};
use prometheus::{Encoder, TextEncoder};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Probes of several watchers within this time share one answer, so that watching does not load the stores.
const CACHED: Duration = Duration::from_secs(1);

pub(crate) type Check = Box<dyn Fn() -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// What the operations port knows of the process.
#[derive(Default)]
pub(crate) struct Ops {
    checks: Vec<(&'static str, Check)>,
    on_scrape: Vec<Box<dyn Fn() + Send + Sync>>,
    serving: AtomicBool,
    last: Mutex<Option<(Instant, bool, Value)>>,
}

impl Ops {
    pub(crate) fn check(&mut self, dependency: &'static str, check: Check) {
        self.checks.push((dependency, check));
    }

    pub(crate) fn on_scrape(&mut self, refresh: impl Fn() + Send + Sync + 'static) {
        self.on_scrape.push(Box::new(refresh));
    }

    pub(crate) fn set_serving(&self, serving: bool) {
        self.serving.store(serving, Ordering::SeqCst);
    }

    async fn readiness(&self) -> (bool, Value) {
        let mut last = self.last.lock().await;
        let (healthy, dependencies) = match &*last {
            Some((at, healthy, seen)) if at.elapsed() < CACHED => (*healthy, seen.clone()),
            _ => {
                let (healthy, seen) = self.ask().await;
                *last = Some((Instant::now(), healthy, seen.clone()));
                (healthy, seen)
            }
        };
        // Not cached: a balancer must learn of the stop at once.
        let serving = self.serving.load(Ordering::SeqCst);
        (
            healthy && serving,
            json!({ "ready": healthy && serving, "stopping": !serving, "dependencies": dependencies }),
        )
    }

    async fn ask(&self) -> (bool, Value) {
        let answers = self.checks.iter().map(|(name, check)| async move {
            let began = Instant::now();
            let answer = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
            let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            match answer.unwrap_or_else(|_| Err("did not answer in time".into())) {
                Ok(detail) => (*name, true, json!({ "ok": true, "ms": millis, "detail": detail })),
                Err(error) => (*name, false, json!({ "ok": false, "ms": millis, "error": error })),
            }
        });
        let answers = join_all(answers).await;
        let healthy = answers.iter().all(|(_, ok, _)| *ok);
        (
            healthy,
            Value::Object(
                answers.into_iter().map(|(name, _, said)| (name.to_owned(), said)).collect::<Map<_, _>>(),
            ),
        )
    }
}

pub(crate) fn router(ops: Arc<Ops>) -> Router {
    // Alive means that this runtime still answers. It asks nobody: a store that is down must not restart the fleet.
    let health = get(|| async { Json(json!({ "alive": true })) });
    Router::new()
        .route("/health", health)
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

async fn ready(State(ops): State<Arc<Ops>>) -> impl IntoResponse {
    let (ready, said) = ops.readiness().await;
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(said))
}

async fn metrics(State(ops): State<Arc<Ops>>) -> impl IntoResponse {
    ops.on_scrape.iter().for_each(|refresh| refresh());
    let encoder = TextEncoder::new();
    let mut page = Vec::new();
    match encoder.encode(&prometheus::gather(), &mut page) {
        Ok(()) => (StatusCode::OK, [("content-type", encoder.format_type().to_owned())], page),
        Err(err) => {
            let kind = [("content-type", "text/plain".to_owned())];
            (StatusCode::INTERNAL_SERVER_ERROR, kind, err.to_string().into_bytes())
        }
    }
}
