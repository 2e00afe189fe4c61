//! Leaving an endpoint: what is told of it, counted of it, and who looks after it.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use prometheus::{IntCounterVec, IntGaugeVec, register_int_counter_vec, register_int_gauge_vec};
use tracing::warn;

use crate::{
    Node,
    live::{Live, Reason},
    node::Inner,
    probe,
};

static ENDPOINTS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "chain_endpoints",
        "A chain's endpoints: available, or why they are left.",
        &["chain", "standing"]
    )
    .expect("each metric is registered once")
});
static LEFT: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "chain_endpoints_left_total",
        "How often an endpoint of a chain was left.",
        &["chain", "reason"]
    )
    .expect("each metric is registered once")
});

const REASONS: [Reason; 5] =
    [Reason::Limited, Reason::Lagging, Reason::Failing, Reason::Lying, Reason::OtherChain];

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Reason::Limited => "limited",
            Reason::Lagging => "lagging",
            Reason::Failing => "failing",
            Reason::Lying => "lying",
            Reason::OtherChain => "other_chain",
        }
    }
}

impl Node {
    /// Leaves the endpoint that gave all answers of the last moments: what the chain was said to be does not fit
    /// together, though each answer fits its question. Where several answered, nobody knows which of them is wrong, and
    /// none is left. For callers who see more than one answer; a reorganisation alone is no reason.
    pub fn doubt(&self, why: &'static str) {
        if let Some(live) = self.inner.answered_alone().and_then(|live| self.inner.current(&live)) {
            self.leave(&live, Reason::Lying, "", why);
        }
    }

    /// Asks others first from now on, until this one is found to behave.
    pub(crate) fn leave(&self, live: &Arc<Live>, reason: Reason, method: &str, why: &str) {
        let is_news = live.leave(reason, Instant::now());
        if is_news {
            let (chain, host) = (self.chain_id().to_string(), live.endpoint.host());
            warn!(
                chain.id = chain,
                endpoint.host = host,
                rpc.method = method,
                reason = reason.as_str(),
                error = why,
                "left an endpoint"
            );
            LEFT.with_label_values(&[chain.as_str(), reason.as_str()]).inc();
            self.inner.show_standing();
        }
        probe::look_after(&self.inner, live, self.limits);
    }

    /// Gives an endpoint the peace that it asked for. It comes back by itself.
    pub(crate) fn limit(&self, live: &Arc<Live>, method: &str, retry_after: Option<Duration>) {
        let now = Instant::now();
        let is_news = live.left(now) != Some(Reason::Limited);
        live.limit(now, retry_after);
        if is_news {
            let (chain, host) = (self.chain_id().to_string(), live.endpoint.host());
            warn!(
                chain.id = chain,
                endpoint.host = host,
                rpc.method = method,
                "an endpoint is asked too much"
            );
            LEFT.with_label_values(&[chain.as_str(), Reason::Limited.as_str()]).inc();
            self.inner.show_standing();
        }
    }
}

impl Inner {
    pub(crate) fn show_standing(&self) {
        let (now, chain) = (Instant::now(), self.chain_id.to_string());
        let standing: Vec<Option<Reason>> = self.all().iter().map(|live| live.left(now)).collect();
        let count = |of: Option<Reason>| {
            i64::try_from(standing.iter().filter(|one| **one == of).count()).unwrap_or(i64::MAX)
        };
        ENDPOINTS.with_label_values(&[chain.as_str(), "available"]).set(count(None));
        for reason in REASONS {
            ENDPOINTS.with_label_values(&[chain.as_str(), reason.as_str()]).set(count(Some(reason)));
        }
    }
}
