//! Looks after an endpoint that was left: a question now and then, until it serves the chain again and is up to date.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::U64;
use rand::Rng;
use serde_json::json;
use tokio::time::{sleep_until, timeout};

use crate::{
    Limits, Node,
    believe::{ANSWER_BYTES, WITHIN},
    error::Blame,
    live::{Live, Reason},
    node::Inner,
    read::WireHeader,
    wire,
};

/// Sees to it that somebody looks after the endpoint; one task at a time does, and ends with the node.
pub(crate) fn look_after(inner: &Arc<Inner>, live: &Arc<Live>, limits: Limits) {
    // Without a runtime nobody asks either.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    if !live.begin_probing() {
        return;
    }
    let (weak, live) = (Arc::downgrade(inner), Arc::clone(live));
    runtime.spawn(async move {
        loop {
            while let Some(until) = live.left_until() {
                let jitter = rand::rng().random_range(Duration::ZERO..Duration::from_millis(100));
                sleep_until((until + jitter).into()).await;
                let Some(inner) = weak.upgrade() else { return };
                // Its key or its limit may be another one by now.
                let Some(current) = inner.current(&live) else { break };
                if live.left_until().is_none() {
                    break;
                }
                if let Err(free) = current.admit(Instant::now()) {
                    drop(inner);
                    sleep_until(free.into()).await;
                    continue;
                }
                let node = Node { inner, limits: Limits { answer_bytes: ANSWER_BYTES, ..limits } };
                match timeout(WITHIN.min(limits.endpoint), node.probe(&current)).await {
                    Ok(None) => {
                        live.take_back();
                        let (chain, host) = (node.chain_id().to_string(), live.endpoint.host());
                        tracing::info!(chain.id = chain, endpoint.host = host, "took an endpoint back");
                        node.inner.show_standing();
                    }
                    Ok(Some(reason)) => live.stays_left(reason, Instant::now(), &node.inner),
                    Err(_elapsed) => live.stays_left(Reason::Failing, Instant::now(), &node.inner),
                }
            }
            live.end_probing();
            // It may have been left again just now, by somebody who saw that it was looked after.
            let is_gone = weak.upgrade().is_none_or(|inner| inner.current(&live).is_none());
            if is_gone || live.left_until().is_none() || !live.begin_probing() {
                return;
            }
        }
    });
}

impl Node {
    /// What is wrong with the endpoint; None where it serves the chain, has its head, and is not behind the others.
    async fn probe(&self, live: &Arc<Live>) -> Option<Reason> {
        let limit = self.limits.answer_bytes;
        if let Err(failure) = self.inner.prove_chain(live, limit).await {
            return Some(reason_of(&failure));
        }
        let params = json!(["latest", false]);
        let header: WireHeader = match wire::ask(&live.endpoint, "eth_getBlockByNumber", &params, limit).await
        {
            Ok(header) => header,
            Err(failure) => return Some(reason_of(&failure)),
        };
        let head: u64 = header.number.to();
        let others = self.head_of_others(live).await;
        if others.is_none_or(|others| head > others)
            && let Err(failure) = self.confirm(live, head).await
        {
            return Some(reason_of(&failure));
        }
        let deadline = Instant::now() + WITHIN;
        match others {
            Some(others) if self.is_far_behind(others, head) => {
                (!self.is_believed(live, head, deadline).await).then_some(Reason::Lying)
            }
            // Another one's word alone keeps nobody out.
            Some(others) if self.is_far_behind(head, others) => {
                let is_behind = self.may_have_come_since(&header, others)
                    || self.has(live, others, deadline).await == Some(true);
                is_behind.then_some(Reason::Lagging)
            }
            _ => {
                live.saw_head(head, Instant::now());
                None
            }
        }
    }

    /// What another endpoint told of lately, or tells now.
    async fn head_of_others(&self, than: &Live) -> Option<u64> {
        let now = Instant::now();
        if let Some(head) = self.inner.head_of_others(than, now) {
            return Some(head);
        }
        let others = self.inner.candidates(now).into_iter().filter(|other| other.left.is_none());
        let other = others.map(|other| other.live).find(|other| !other.is_same(than))?;
        other.admit(now).ok()?;
        let head: U64 =
            wire::ask(&other.endpoint, "eth_blockNumber", &json!([]), self.limits.answer_bytes).await.ok()?;
        Some(head.to())
    }
}

impl Live {
    fn stays_left(&self, reason: Reason, now: Instant, inner: &Inner) {
        if self.leave(reason, now) {
            inner.show_standing();
        }
    }
}

fn reason_of(failure: &wire::Failure) -> Reason {
    match failure.error.blame("eth_getBlockByNumber") {
        Blame::Endpoint(Reason::Limited) | Blame::Nobody | Blame::Question => Reason::Failing,
        Blame::Endpoint(reason) => reason,
    }
}
