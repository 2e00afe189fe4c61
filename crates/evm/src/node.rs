//! A chain behind several endpoints: which they are, and what all of them together said of its head.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::U64;
use ids::ChainId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    Endpoint, Health, NodeError,
    check::Check,
    live::{Live, Reason},
    logs::Blooms,
    sockets::Sockets,
    wire::{self, Failure},
};

/// How much later than the others an endpoint may tell of a block.
const LAG_TIME: Duration = Duration::from_secs(6);
const LAG_BLOCKS: u64 = 3;

/// Who gave every answer for so long gave all that a caller holds against one another.
const ALONE_FOR: Duration = Duration::from_secs(10);

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
    pub(crate) inner: Arc<Inner>,
    pub(crate) limits: Limits,
}

pub(crate) struct Inner {
    pub(crate) chain_id: ChainId,
    endpoints: RwLock<Vec<Arc<Live>>>,
    block_millis: AtomicU64,
    answered: Mutex<Option<Answered>>,
    pub(crate) sockets: Sockets,
    pub(crate) blooms: Blooms,
}

/// Whose answers were taken last.
struct Answered {
    live: Arc<Live>,
    /// Since when it is nobody else's; None where it always was.
    since: Option<Instant>,
}

impl Node {
    /// A chain that answers at these endpoints; none is contacted yet.
    pub fn new(chain_id: ChainId, endpoints: Vec<Endpoint>) -> Node {
        let inner = Inner {
            chain_id,
            endpoints: RwLock::default(),
            block_millis: AtomicU64::new(1000),
            answered: Mutex::default(),
            sockets: Sockets::default(),
            blooms: Blooms::default(),
        };
        let node = Node { inner: Arc::new(inner), limits: Limits::default() };
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

    /// How long a block usually takes: what counts as a lag depends on it. A second until it is said.
    pub fn set_block_time(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if millis > 0 {
            self.inner.block_millis.store(millis, Ordering::Relaxed);
        }
    }

    /// Replaces the endpoints; what is known of one that stays is kept, also when its settings are others now. Sockets
    /// are never asked anything: they wake whoever waits for `head_wakes`.
    pub fn update_endpoints(&self, endpoints: Vec<Endpoint>) {
        let (sockets, endpoints): (Vec<_>, Vec<_>) = endpoints.into_iter().partition(Endpoint::is_socket);
        self.inner.sockets.update(sockets);
        {
            let mut current = self.inner.endpoints.write().unwrap_or_else(PoisonError::into_inner);
            *current = endpoints
                .into_iter()
                .map(|new| match current.iter().find(|live| live.endpoint.is_same_place(&new)) {
                    Some(live) if live.endpoint == new => Arc::clone(live),
                    Some(live) => Arc::new(live.with(new)),
                    None => Arc::new(Live::new(new)),
                })
                .collect();
        }
        self.inner.show_standing();
    }

    /// Lets every endpoint prove again, before its next answer, that it serves this chain. For whom a proof a few
    /// seconds ago is not enough: an address may come to lead elsewhere.
    pub fn prove_chain_anew(&self) {
        self.inner.all().iter().for_each(|live| live.set_unproven());
    }

    /// How each endpoint stands: those that are asked, then the sockets.
    pub fn health(&self) -> Vec<Health> {
        let now = Instant::now();
        let asked = self.inner.all().into_iter().map(|live| live.report(now));
        asked.chain(self.inner.sockets.health()).collect()
    }

    /// Asks anything; the typed questions are in `read.rs`.
    pub async fn request<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, NodeError> {
        self.ask(method, &params, &Check::none()).await
    }
}

impl Inner {
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        self.endpoints.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The endpoint as it is set now; None when it was taken away.
    pub(crate) fn current(&self, live: &Live) -> Option<Arc<Live>> {
        let endpoints = self.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        endpoints.iter().find(|known| known.is_same(live)).map(Arc::clone)
    }

    pub(crate) fn took_answer_of(&self, live: &Arc<Live>) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        match answered.as_ref() {
            Some(before) if before.live.is_same(live) => {}
            before => {
                let since = before.is_some().then(Instant::now);
                *answered = Some(Answered { live: Arc::clone(live), since });
            }
        }
    }

    /// Who gave all answers of the last moments; None where several did.
    pub(crate) fn answered_alone(&self) -> Option<Arc<Live>> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = answered.as_ref()?;
        let is_alone = answered.since.is_none_or(|since| since.elapsed() >= ALONE_FOR);
        is_alone.then(|| Arc::clone(&answered.live))
    }

    /// The highest head that any endpoint told of within the last moments.
    pub(crate) fn highest_head(&self, now: Instant) -> Option<u64> {
        self.all().iter().filter_map(|live| believed_head(live, now)).max()
    }

    /// The highest head that any other endpoint told of.
    pub(crate) fn head_of_others(&self, than: &Live, now: Instant) -> Option<u64> {
        self.all().iter().filter(|live| !live.is_same(than)).filter_map(|live| believed_head(live, now)).max()
    }

    pub(crate) fn block_time(&self) -> Duration {
        Duration::from_millis(self.block_millis.load(Ordering::Relaxed).max(1))
    }

    /// How many blocks a head may differ from another one's.
    pub(crate) fn tolerance(&self) -> u64 {
        u64::try_from(LAG_TIME.as_millis().div_ceil(self.block_time().as_millis()))
            .unwrap_or(u64::MAX)
            .max(LAG_BLOCKS)
    }

    /// The chain's number, asked anew where the last proof is old.
    pub(crate) async fn prove_chain(&self, live: &Live, limit: usize) -> Result<(), Failure> {
        if live.is_proven(Instant::now()) {
            return Ok(());
        }
        let found: U64 = wire::ask(&live.endpoint, "eth_chainId", &json!([]), limit)
            .await
            .map_err(Failure::blaming_endpoint)?;
        let (expected, found) = (self.chain_id, found.to::<u64>());
        if expected.number() != found {
            return Err(NodeError::WrongChain { expected, found }.into());
        }
        live.set_proven(Instant::now());
        Ok(())
    }
}

/// What an endpoint that was left said of the head counts for nothing.
fn believed_head(live: &Live, now: Instant) -> Option<u64> {
    live.left(now).is_none_or(|reason| reason == Reason::Limited).then(|| live.head(now))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_endpoint_that_was_left_counts_for_nothing() {
        let place = |port: u16| Endpoint::parse(&format!("http://127.0.0.1:{port}"), "none", 0, 1).unwrap();
        let node = Node::new(ChainId::new(1).unwrap(), (1..4).map(place).collect());
        let (now, all) = (Instant::now(), node.inner.all());
        for (live, head) in all.iter().zip([900, 7, 8]) {
            live.saw_head(head, now);
        }
        assert_eq!(node.inner.highest_head(now), Some(900));
        all[0].leave(Reason::Lying, now);
        // One that is merely asked too much is not wrong.
        all[2].limit(now, None);
        assert_eq!(
            (node.inner.highest_head(now), node.inner.head_of_others(&all[2], now)),
            (Some(8), Some(7))
        );
    }
}
