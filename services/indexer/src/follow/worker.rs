//! One chain, followed for as long as the lease lasts: look at the head, find where it meets what we have, take back
//! what is gone, add what is new.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use evm::{HeadWakes, Node};
use sqlx::PgPool;
use tokio::sync::watch;

use super::{
    catch_up::{self, Marks, Range, With},
    deep::Deep,
    fetch,
    fork::{Action, Link},
    lease::Lease,
    position::{self, Opened, Position},
    settle::Settling,
};
use crate::{
    config::Follow,
    error::Error,
    metrics,
    model::Header,
    progress::{Progress, State},
    record,
    registry::Chain,
    store::Stores,
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So often in a row the answers of a node do not fit together before another node is asked.
const MISFITS: u32 = 3;
/// So often since the last commit a position is left for a newer one without a word.
const MOVES: u32 = 16;
/// Between two looks at a chain that does not move by itself.
const IDLE: Duration = Duration::from_secs(1);
/// Between two looks at a branch that must last before it is followed.
const UNSETTLED: Duration = Duration::from_millis(100);
/// While a socket tells of heads, so much less often one looks unasked: ...
const WOKEN_POLLS: u32 = 5;
/// ... but so often at least, where it was looked that often before.
const WOKEN_POLL: Duration = Duration::from_secs(2);

/// Follows one chain.
pub(crate) struct Worker {
    stores: Stores,
    node: Node,
    chain: watch::Receiver<Chain>,
    settings: Follow,
    progress: Progress,
    range: Range,
    marks: Marks,
    settling: Settling,
    deep: Deep,
    /// Since this worker began.
    commits: u64,
}

impl Worker {
    pub(crate) fn new(
        stores: Stores,
        node: Node,
        chain: watch::Receiver<Chain>,
        settings: Follow,
        progress: Progress,
    ) -> Worker {
        let range = Range::new(settings.largest_range);
        let (marks, settling, deep) = (Marks::default(), Settling::default(), Deep::default());
        Worker { stores, node, chain, settings, progress, range, marks, settling, deep, commits: 0 }
    }

    pub(crate) fn db(&self) -> PgPool {
        self.stores.db.clone()
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// What the jobs of the chain need.
    pub(crate) fn for_jobs(&self) -> (Stores, Node, watch::Receiver<Chain>) {
        (self.stores.clone(), self.node.clone(), self.chain.clone())
    }

    /// Another worker may hold the lease; `/ready` says that we do not.
    pub(crate) fn stand_by(&self) {
        self.progress.state(self.node.chain_id(), State::StandingBy);
    }

    /// Follows until the lease is found to be lost.
    pub(crate) async fn run(&mut self, lease: Lease) {
        let (mut pause, mut misfits, mut moves) = (FIRST_PAUSE, 0, 0);
        let mut wakes = self.node.head_wakes();
        self.progress.state(lease.chain_id, State::Starting);
        loop {
            let (began, commits) = (Instant::now(), self.commits);
            let Err(err) = self.follow(&lease, &mut wakes).await;
            if self.commits > commits {
                moves = 0;
            }
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
                // Contracts or payers have joined, or a job has moved the chain: the next attempt knows of it. If more
                // join before each commit, the next one comes sooner with less to read for it.
                Error::Stale => {
                    self.range.failed();
                    moves += 1;
                    if moves <= MOVES {
                        continue;
                    }
                    moves = 0;
                }
                // Nothing is wrong with the node; with less it goes on at once.
                Error::Node(err) if err.wants_less() && self.range.refused() => continue,
                Error::Node(_) => self.range.failed(),
                _ => {}
            }
            self.progress.failed(lease.chain_id, err.to_string());
            metrics::count_failure(lease.chain_id, &err);
            // What arrived before the failure is committed, unless the commit was what failed; the next attempt reads the
            // rest again.
            let cause = std::error::Error::source(&err).map(ToString::to_string);
            tracing::warn!(chain.id = %lease.chain_id, error = %err, cause, "following a chain was interrupted");
            // Who is doubted is left for moments only: the next look comes while others are asked.
            let longest = if matches!(err, Error::Inconsistent(_)) { IDLE } else { LONGEST_PAUSE };
            pause = if began.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(longest) };
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

    async fn follow(&mut self, lease: &Lease, wakes: &mut HeadWakes) -> Result<Infallible, Error> {
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
        let mut lined_up_at = Instant::now();
        loop {
            if self.chain.has_changed().unwrap_or(false) {
                // The contracts or the depth may be others now.
                at = match self.open(lease).await? {
                    Opened::At(at) => at,
                    Opened::Waiting | Opened::Halted => return Err(Error::Stale),
                };
            }
            // Also what jobs have left behind.
            if at.is_raw_behind || lined_up_at.elapsed() > IDLE {
                at.is_raw_behind = !record::line_up_raw(&self.stores, lease).await?;
                lined_up_at = Instant::now();
            }
            if self.step(lease, &mut at).await? {
                self.wait(wakes).await;
            }
        }
    }

    /// Until a socket tells of a head, or no more, or the registry has changed; at the latest until it is time to look
    /// unasked.
    async fn wait(&self, wakes: &mut HeadWakes) {
        let mut poll = Duration::from_millis(self.settings.poll_millis);
        if wakes.is_alive() {
            poll = poll.max((poll * WOKEN_POLLS).min(WOKEN_POLL));
        }
        let mut chain = self.chain.clone();
        tokio::select! {
            () = wakes.changed() => {}
            Ok(()) = chain.changed() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }

    /// One look at the chain. True when there is nothing more to do until the next block.
    async fn step(&mut self, lease: &Lease, at: &mut Position) -> Result<bool, Error> {
        let head = fetch::head(&self.node).await?;
        let tip = at.view.tip();
        self.progress.head(lease.chain_id, (&head).into(), tip.hash);
        if head.hash == tip.hash {
            self.settling.agreed(tip.number);
            self.deep.forget();
            return Ok(true);
        }
        let from = head.number.min(tip.number + 1);
        let to = head.number.min(from.saturating_add(self.range.blocks - 1));
        let mut headers = self.headers(from, to, &head).await?;
        loop {
            let branch: Vec<Link> = headers.iter().map(Link::from).collect();
            let action = at.view.meet(&branch);
            if !matches!(action, Action::TooDeep | Action::AskFrom(_)) {
                self.deep.forget();
            }
            match action {
                Action::Rest => return Ok(true),
                Action::AskFrom(lower) => {
                    let mut longer = fetch::headers(&self.node, lower, headers[0].number - 1).await?;
                    longer.append(&mut headers);
                    fetch::check_linked(&longer)?;
                    headers = longer;
                }
                Action::Retract { ancestor } => {
                    if !self.settling.is_settled(Instant::now()) {
                        tokio::time::sleep(UNSETTLED).await;
                        return Ok(false);
                    }
                    self.retract(lease, at, ancestor, &head).await?;
                }
                Action::TooDeep if !self.deep.is_believed(&self.node) => {
                    return Err(Error::Inconsistent("a reorganisation is too deep to be believed at once"));
                }
                Action::TooDeep => {
                    self.deep.forget();
                    let tip = at.view.tip();
                    let reason = format!(
                        "a reorganisation takes more than {} blocks back from {}",
                        at.depth, tip.number
                    );
                    return Err(self.halt(lease, tip, reason).await);
                }
                Action::Extend { skip } => {
                    let is_all = headers.last().is_some_and(|last| last.hash == head.hash);
                    let new = headers.split_off(skip);
                    catch_up::extend(self.with(lease), at, new, (&head).into()).await?;
                    self.settling.agreed(at.view.tip().number);
                    return Ok(is_all);
                }
            }
        }
    }

    fn with<'a>(&'a mut self, lease: &'a Lease) -> With<'a> {
        let Worker { stores, node, chain, progress, range, marks, commits, .. } = self;
        With { stores, node, lease, chain, progress, range, marks, commits }
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
        &mut self,
        lease: &Lease,
        at: &mut Position,
        ancestor: u64,
        head: &Header,
    ) -> Result<(), Error> {
        let (tip, chain_id) = (at.view.tip(), lease.chain_id);
        let ahead = self.marks.ahead(&self.node, head.into()).await;
        let version = at.followed.version;
        let messages = match record::retract(&self.stores, lease, tip, version, ancestor, &ahead).await {
            Err(err @ Error::NotRetractable) => return Err(self.halt(lease, tip, err.to_string()).await),
            result => result?,
        };
        self.commits += 1;
        let blocks = at.view.retract(ancestor).len();
        at.followed = position::followed(&self.stores, lease).await?;
        at.is_raw_behind = true;
        metrics::count_reorg(chain_id, blocks);
        tracing::warn!(
            chain.id = %chain_id, fork_block = ancestor, old_head = tip.number, blocks, messages,
            "took back blocks after a reorganisation",
        );
        if self.settling.followed(chain_id, tip.number, Instant::now()) {
            tracing::error!(
                chain.id = %chain_id, fork_block = ancestor, reorgs = self.settling.in_a_row(),
                "reorganisations follow one another and the chain does not advance",
            );
            self.node.doubt("reorganisations follow one another and the chain does not advance");
        }
        Ok(())
    }
}
