//! A chain behind several endpoints: the best one is asked, the next one when it fails, all within one deadline.

use std::{
    sync::{Arc, LazyLock, PoisonError, RwLock},
    time::{Duration, Instant},
};

use alloy::primitives::U64;
use ids::ChainId;
use prometheus::{HistogramVec, register_histogram_vec};
use rand::Rng;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::warn;

use crate::{Endpoint, NodeError, endpoint::Live, wire};

static ASKED: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "chain_rpc_seconds",
        "Time that a question to a chain took, over all endpoints that were tried.",
        &["chain", "method", "result"]
    )
    .expect("each metric is registered once")
});

/// How long and how much a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For one endpoint.
    pub endpoint: Duration,
    /// For a call, over all endpoints.
    pub call: Duration,
    /// Bytes of one answer.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            endpoint: Duration::from_secs(5),
            call: Duration::from_secs(12),
            answer_bytes: 64 * 1024 * 1024,
        }
    }
}

/// One chain. Clones share the endpoints and what is known of their health.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
    limits: Limits,
}

struct Inner {
    chain_id: ChainId,
    endpoints: RwLock<Vec<Arc<Live>>>,
}

impl Node {
    /// A chain that answers at these endpoints; none is contacted yet.
    pub fn new(chain_id: ChainId, endpoints: Vec<Endpoint>) -> Node {
        let node = Node {
            inner: Arc::new(Inner { chain_id, endpoints: RwLock::default() }),
            limits: Limits::default(),
        };
        node.update_endpoints(endpoints);
        node
    }

    /// The same chain with other bounds.
    pub fn with_limits(&self, limits: Limits) -> Node {
        Node { inner: Arc::clone(&self.inner), limits }
    }

    /// Which chain.
    pub fn chain_id(&self) -> ChainId {
        self.inner.chain_id
    }

    /// Replaces the endpoints; one that stays keeps its health.
    pub fn update_endpoints(&self, endpoints: Vec<Endpoint>) {
        let mut current = self.inner.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        *current = endpoints
            .into_iter()
            .map(|endpoint| match current.iter().find(|live| live.endpoint == endpoint) {
                Some(live) => Arc::clone(live),
                None => Arc::new(Live::new(endpoint)),
            })
            .collect();
    }

    /// Lets every endpoint prove again, before its next answer, that it serves this chain. For whom one proof at the
    /// beginning is not enough: an address may come to lead elsewhere.
    pub fn prove_chain_anew(&self) {
        let endpoints = self.inner.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        endpoints.iter().for_each(|live| live.set_unverified());
    }

    /// Asks anything; the typed questions are in `read.rs`.
    pub async fn request<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, NodeError> {
        let began = Instant::now();
        let answer = self.ask_in_order(method, &params, began).await;
        let result = match &answer {
            Ok(_) => "ok",
            Err(NodeError::Transport(_)) => "transport",
            Err(NodeError::Rpc { .. }) => "rpc",
            Err(NodeError::WrongChain { .. }) => "wrong_chain",
            Err(NodeError::Timeout(_)) => "timeout",
            Err(NodeError::TooLarge { .. }) => "too_large",
        };
        let chain = self.chain_id().to_string();
        ASKED.with_label_values(&[chain.as_str(), method, result]).observe(began.elapsed().as_secs_f64());
        answer
    }

    async fn ask_in_order<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
        began: Instant,
    ) -> Result<T, NodeError> {
        let mut last = None;
        for live in self.in_order() {
            let left = self.limits.call.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            let within = left.min(self.limits.endpoint);
            let asked = timeout(within, self.ask_one(&live, method, params)).await;
            match asked.unwrap_or(Err(NodeError::Timeout(within))) {
                Err(err) if err.is_the_endpoints_own() => {
                    live.failed(Instant::now());
                    let host = live.endpoint.host();
                    warn!(chain.id = %self.chain_id(), endpoint.host = host, rpc.method = method, error = %err, "left an endpoint");
                    last = Some(err);
                }
                answer => {
                    live.worked();
                    return answer;
                }
            }
        }
        Err(last.unwrap_or_else(|| NodeError::Transport("no endpoint is configured".to_owned())))
    }

    async fn ask_one<T: DeserializeOwned>(
        &self,
        live: &Live,
        method: &str,
        params: &Value,
    ) -> Result<T, NodeError> {
        let limit = self.limits.answer_bytes;
        if !live.is_verified() {
            let found: U64 = wire::ask(&live.endpoint, "eth_chainId", &json!([]), limit).await?;
            let (expected, found) = (self.chain_id(), found.to::<u64>());
            if expected.number() != found {
                return Err(NodeError::WrongChain { expected, found });
            }
            live.set_verified();
        }
        wire::ask(&live.endpoint, method, params, limit).await
    }

    /// By priority, then drawn by weight; those that cool down come last, so that a call is never refused unheard.
    fn in_order(&self) -> Vec<Arc<Live>> {
        let now = Instant::now();
        let mut rng = rand::rng();
        let endpoints = self.inner.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        let mut drawn: Vec<_> = endpoints
            .iter()
            .map(|live| {
                // The smallest of exponential draws falls on each endpoint as often as its weight says.
                let weight = f64::from(live.endpoint.weight.max(1));
                let draw = -rng.random_range(f64::EPSILON..1.0).ln() / weight;
                (live.is_cooling(now), live.endpoint.priority, draw, Arc::clone(live))
            })
            .collect();
        drawn.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        drawn.into_iter().map(|(.., live)| live).collect()
    }
}
