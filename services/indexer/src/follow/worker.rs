//! One chain, followed for as long as the lease lasts: look at the head, find where it meets what we have, take back
//! what is gone, add what is new.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use evm::Node;
use sqlx::PgPool;
use tokio::sync::watch;
use tracing::Instrument;

use super::{
    fetch,
    fork::{Action, Link, View},
    lease::Lease,
    position::{self, Opened, Position},
};
use crate::{
    config::Follow,
    error::Error,
    metrics,
    model::{BlockRef, Header},
    progress::{Progress, State},
    read_contract::read_contracts,
    record::{self, Ahead, ReadBlock},
    registry::Chain,
    store::Stores,
};

/// Blocks that are asked for at first; errors halve it, success lets it grow.
const FIRST_RANGE: u64 = 200;
/// Things that happened in one commit, about.
const COMMIT_WEIGHT: usize = 5_000;
/// A range with more than this is made smaller next time.
const HEAVY_RANGE: usize = 20_000;
/// Between two questions for the safe and the finalized block.
const MARKS_EVERY: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So often in a row the answers of a node do not fit together before another node is asked.
const MISFITS: u32 = 3;
/// Between two looks at a chain that does not move by itself.
const IDLE: Duration = Duration::from_secs(1);

/// Follows one chain.
pub(crate) struct Worker {
    stores: Stores,
    node: Node,
    chain: watch::Receiver<Chain>,
    settings: Follow,
    progress: Progress,
    range: u64,
    marks: Option<(Instant, Option<u64>, Option<u64>)>,
}

impl Worker {
    pub(crate) fn new(
        stores: Stores,
        node: Node,
        chain: watch::Receiver<Chain>,
        settings: Follow,
        progress: Progress,
    ) -> Worker {
        let range = FIRST_RANGE.min(settings.largest_range.max(1));
        Worker { stores, node, chain, settings, progress, range, marks: None }
    }

    pub(crate) fn db(&self) -> PgPool {
        self.stores.db.clone()
    }

    /// Another worker may hold the lease; `/ready` says that we do not.
    pub(crate) fn stand_by(&self) {
        self.progress.state(self.node.chain_id(), State::StandingBy);
    }

    /// Follows until the lease is found to be lost.
    pub(crate) async fn run(&mut self, lease: Lease) {
        let (mut pause, mut misfits) = (FIRST_PAUSE, 0);
        loop {
            let began = Instant::now();
            let Err(err) = self.follow(&lease).await;
            misfits = if matches!(err, Error::Inconsistent(_)) { misfits + 1 } else { 0 };
            match &err {
                // Once it is the chain that moved between two questions.
                Error::Inconsistent(why) if misfits >= MISFITS => {
                    self.node.doubt(why);
                    misfits = 0;
                }
                Error::LeaseLost => return,
                // Said already, and there is nothing to wait for.
                Error::Halted(_) => continue,
                Error::Node(_) => self.range = (self.range / 2).max(1),
                _ => {}
            }
            self.progress.failed(lease.chain_id, err.to_string());
            metrics::count_failure(lease.chain_id, &err);
            // What was read before the failure is committed; the next attempt reads the rest again.
            let cause = std::error::Error::source(&err).map(ToString::to_string);
            tracing::warn!(chain.id = %lease.chain_id, error = %err, cause, "following a chain was interrupted");
            pause =
                if began.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn open(&mut self, lease: &Lease) -> Result<Opened, Error> {
        let chain = self.chain.borrow_and_update().clone();
        let opened = position::open(&self.stores, &self.node, lease, &chain).await?;
        if let Opened::At(at) = &opened {
            self.progress.indexed(lease.chain_id, at.indexed);
        }
        Ok(opened)
    }

    async fn follow(&mut self, lease: &Lease) -> Result<Infallible, Error> {
        let mut at = loop {
            match self.open(lease).await? {
                Opened::At(at) => break at,
                Opened::Waiting => self.progress.state(lease.chain_id, State::WaitingForContracts),
                Opened::Halted => self.progress.state(lease.chain_id, State::Halted),
            }
            // The chain does not go on by itself.
            tokio::time::sleep(IDLE).await;
        };
        self.progress.state(lease.chain_id, State::Following);
        loop {
            if self.chain.has_changed().unwrap_or(false) {
                // The contracts or the depth may be others now.
                at = match self.open(lease).await? {
                    Opened::At(at) => at,
                    Opened::Waiting | Opened::Halted => return Err(Error::Stale),
                };
            }
            if at.is_raw_behind {
                at.is_raw_behind = !record::line_up_raw(&self.stores, lease).await?;
            }
            if self.step(lease, &mut at).await? {
                tokio::time::sleep(Duration::from_millis(self.settings.poll_millis)).await;
            }
        }
    }

    /// One look at the chain. True when there is nothing more to do until the next block.
    async fn step(&mut self, lease: &Lease, at: &mut Position) -> Result<bool, Error> {
        let head = fetch::head(&self.node).await?;
        let mut tip = at.view.tip();
        self.progress.head(lease.chain_id, (&head).into(), tip.number);
        if head.hash == tip.hash {
            return Ok(true);
        }
        let from = head.number.min(tip.number + 1);
        let to = head.number.min(from.saturating_add(self.range - 1));
        let mut headers = self.headers(from, to, &head).await?;
        loop {
            let branch: Vec<Link> = headers.iter().map(Link::from).collect();
            match at.view.meet(&branch) {
                Action::Rest => return Ok(true),
                Action::AskFrom(lower) => {
                    let mut longer = fetch::headers(&self.node, lower, headers[0].number - 1).await?;
                    longer.append(&mut headers);
                    fetch::check_linked(&longer)?;
                    headers = longer;
                }
                Action::Retract { ancestor } => {
                    self.retract(lease, at, tip, ancestor, (&head).into()).await?;
                    tip = at.view.tip();
                }
                Action::TooDeep => {
                    let reason = format!(
                        "a reorganisation takes more than {} blocks back from {}",
                        at.depth, tip.number
                    );
                    return Err(self.halt(lease, tip, reason).await);
                }
                Action::Extend { skip } => {
                    let is_all = headers.last().is_some_and(|last| last.hash == head.hash);
                    self.extend(lease, at, headers.split_off(skip), &head).await?;
                    return Ok(is_all);
                }
            }
        }
    }

    /// Near the head the newest block has been asked for already.
    async fn headers(&self, from: u64, to: u64, head: &Header) -> Result<Vec<Header>, Error> {
        if to < head.number {
            return fetch::headers(&self.node, from, to).await;
        }
        let mut headers =
            if from < to { fetch::headers(&self.node, from, to - 1).await? } else { Vec::new() };
        headers.push(head.clone());
        fetch::check_linked(&headers)?;
        Ok(headers)
    }

    async fn halt(&self, lease: &Lease, tip: Link, reason: String) -> Error {
        if let Err(err) = record::halt(&self.stores, lease, &reason).await {
            return err;
        }
        tracing::error!(
            chain.id = %lease.chain_id, block.number = tip.number, reason,
            "the chain is halted until an operator has looked at it",
        );
        Error::Halted(reason)
    }

    async fn retract(
        &self,
        lease: &Lease,
        at: &mut Position,
        tip: Link,
        ancestor: u64,
        head: BlockRef,
    ) -> Result<(), Error> {
        let messages = match record::retract(&self.stores, lease, tip, ancestor, head).await {
            Err(err @ Error::NotRetractable) => return Err(self.halt(lease, tip, err.to_string()).await),
            result => result?,
        };
        let blocks = at.view.retract(ancestor).len();
        at.followed = position::followed(&self.stores, lease).await?;
        at.is_raw_behind = true;
        metrics::count_reorg(lease.chain_id);
        tracing::warn!(
            chain.id = %lease.chain_id, fork_block = ancestor, old_head = tip.number, blocks, messages,
            "took back blocks after a reorganisation",
        );
        Ok(())
    }

    async fn extend(
        &mut self,
        lease: &Lease,
        at: &mut Position,
        headers: Vec<Header>,
        head: &Header,
    ) -> Result<(), Error> {
        let is_at_head =
            headers.first().is_some_and(|first| first.number + View::window(at.depth) > head.number);
        let asked = headers.len() as u64;
        let mut blocks = fetch::blocks(&self.node, headers, &mut at.followed, is_at_head).await?;
        read_contracts(&self.node, &mut blocks).await?;
        let weight: usize = blocks.iter().map(ReadBlock::weight).sum();
        let (safe, finalized) = self.marks().await;
        let ahead = Ahead { head: head.into(), safe, finalized };
        for some in by_weight(blocks) {
            let links: Vec<Link> = some.iter().map(|block| Link::from(&block.header)).collect();
            let Some(last) = some.last().map(|block| BlockRef::from(&block.header)) else { continue };
            let (began, count) = (Instant::now(), some.len());
            // What is told of these blocks carries this span as the beginning of its trace.
            let span =
                tracing::info_span!("record blocks", chain.id = %lease.chain_id, block.number = last.number);
            let recorded = record::record(&self.stores, lease, at.view.tip().hash, some, ahead, at.depth);
            let events = recorded.instrument(span).await?;
            links.into_iter().for_each(|link| at.view.push(link));
            self.progress.indexed(lease.chain_id, last);
            tracing::debug!(
                chain.id = %lease.chain_id, block.number = last.number, blocks = count, events,
                duration_ms = began.elapsed().as_millis() as u64, "recorded blocks",
            );
        }
        let largest = self.settings.largest_range.max(1);
        if weight > HEAVY_RANGE {
            self.range = (self.range / 2).max(1);
        } else if asked == self.range {
            self.range = (self.range + self.range / 4 + 1).min(largest);
        }
        Ok(())
    }

    async fn marks(&mut self) -> (Option<u64>, Option<u64>) {
        match self.marks {
            Some((asked_at, safe, finalized)) if asked_at.elapsed() < MARKS_EVERY => (safe, finalized),
            _ => {
                let (safe, finalized) = fetch::marks(&self.node).await;
                self.marks = Some((Instant::now(), safe, finalized));
                (safe, finalized)
            }
        }
    }
}

/// Cuts a range into commits of bounded size, between blocks.
fn by_weight(blocks: Vec<ReadBlock>) -> Vec<Vec<ReadBlock>> {
    let (mut commits, mut held, mut weight) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        let of_block = block.weight();
        if !held.is_empty() && weight + of_block > COMMIT_WEIGHT {
            commits.push(std::mem::take(&mut held));
            weight = 0;
        }
        weight += of_block;
        held.push(block);
    }
    commits.push(held);
    commits
}
