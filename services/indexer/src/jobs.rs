//! Work over a range of blocks beside the following: what was missed is fetched, told again, taken back or verified. The
//! chain's worker does it, under the same lease, one step a commit.
//!
//! A step reads first and commits then, and what it read is held against the rows once more inside the commit, under the
//! lock of the lease: a reorganisation in between makes the step begin again.

mod backfill;
mod fork_point;
mod found;
mod replay;
mod rewind;
mod standing;
mod taken;
mod verify;

use std::{convert::Infallible, time::Duration};

use evm::Node;
use sqlx::PgConnection;
use tokio::sync::{Notify, watch};

use crate::{
    error::Error,
    follow::{
        catch_up::Range,
        fetch::{self, Fetched},
        followed::Followed,
        lease::Lease,
    },
    read_contract::read_contracts,
    record::ReadBlock,
    registry::Chain,
    store::{
        self, Stores,
        job::{Advanced, Job, Kind},
    },
};
use found::Found;

/// Blocks that are read for one step at most.
const LARGEST_RANGE: u64 = 1_000;
/// Near the head a block is asked for by its hash, alone: fewer at once.
const NEAR_RANGE: u64 = 64;
/// So often in a row the answers of a node do not fit together before another node is asked.
const MISFITS: u32 = 3;
/// Bytes of what one commit tells, about.
const COMMIT_WEIGHT: usize = 4 * 1024 * 1024;
/// Between two looks for work that another process may have been asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Parts of the messages of a job are numbered from `job << PART_BITS` on.
const PART_BITS: u32 = 20;

/// The follower has not followed the node yet, or the node is about to come back.
const OTHER_BRANCH: &str = "the node shows another branch than ours";

/// Wakes who waits for work in this process.
static ASKED: Notify = Notify::const_new();

/// Says that there may be work, so that nobody waits for the next look.
pub(crate) fn wake() {
    ASKED.notify_waiters();
}

/// Why a step was not made.
#[derive(Debug)]
enum Stop {
    /// It may succeed later.
    Later(Error),
    /// It cannot: the sentence is for the operator.
    Never(String),
}

impl From<Error> for Stop {
    fn from(err: Error) -> Stop {
        match err {
            // A row that cannot be read does not heal.
            Error::Stored(why) => Stop::Never(format!("what is stored cannot be read: {why}")),
            err => Stop::Later(err),
        }
    }
}

impl From<sqlx::Error> for Stop {
    fn from(err: sqlx::Error) -> Stop {
        Stop::Later(err.into())
    }
}

/// Who does the jobs of a chain.
struct Worker {
    stores: Stores,
    node: Node,
    lease: Lease,
    chain: watch::Receiver<Chain>,
    /// How many blocks to read for the next step.
    range: Range,
    /// So often in a row the node's answers did not fit together.
    misfits: u32,
}

/// Does the chain's jobs, one after the other, for as long as the lease lasts.
pub(crate) async fn work(
    stores: Stores,
    node: Node,
    lease: Lease,
    chain: watch::Receiver<Chain>,
) -> Infallible {
    let mut worker = Worker { stores, node, lease, chain, range: Range::new(LARGEST_RANGE), misfits: 0 };
    let mut pause = FIRST_PAUSE;
    loop {
        let asked = ASKED.notified();
        match worker.take_step().await {
            Ok(true) => (pause, worker.misfits) = (FIRST_PAUSE, 0),
            Ok(false) => {
                worker.misfits = 0;
                let _ = tokio::time::timeout(LOOK_EVERY, asked).await;
            }
            Err(err) => {
                tracing::warn!(chain.id = %lease.chain_id, error = %err, "a job was interrupted");
                worker.failed(&err);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

impl Worker {
    /// One step of the job whose turn it is; false when there is none.
    async fn take_step(&mut self) -> Result<bool, Error> {
        let db = &self.stores.db.clone();
        let Some(job) = store::job::find_next(db, self.lease.chain_id).await? else { return Ok(false) };
        let made = match job.kind {
            Kind::Backfill => self.backfill(&job).await,
            Kind::Replay => self.replay(&job).await,
            Kind::Rewind => self.rewind(&job).await,
            Kind::Verify => self.verify(&job).await,
        };
        match made {
            Ok(is_done) => {
                if is_done {
                    tracing::info!(
                        chain.id = %job.chain_id, job.id = job.id, kind = job.kind.as_str(), "a job is done",
                    );
                }
                Ok(true)
            }
            Err(Stop::Never(why)) => {
                let mut tx = db.begin().await?;
                self.lease.check(&mut tx).await?;
                store::job::fail(&mut tx, job.id, &why).await?;
                tx.commit().await?;
                tracing::error!(
                    chain.id = %job.chain_id, job.id = job.id, kind = job.kind.as_str(), why, "a job has failed",
                );
                Ok(true)
            }
            Err(Stop::Later(err)) => {
                // For who looks at the job; that it cannot be noted either is no news.
                let _ = store::job::update_error(db, job.id, &err.to_string()).await;
                Err(err)
            }
        }
    }

    /// Whatever failed, perhaps it was too much at once.
    fn failed(&mut self, err: &Error) {
        if let Error::Node(node) = err
            && node.wants_less()
        {
            self.range.refused();
        } else if matches!(
            err,
            Error::Node(_) | Error::Raw(_) | Error::RawTimeout(_) | Error::Store(_) | Error::Inconsistent(_)
        ) {
            self.range.failed();
        }
        match err {
            // Which of us is behind is for the follower to find out.
            Error::Inconsistent(OTHER_BRANCH) => self.misfits = 0,
            Error::Inconsistent(why) => {
                self.misfits += 1;
                // Once it is the chain that moved between two questions.
                if self.misfits >= MISFITS {
                    self.node.doubt(why);
                    self.misfits = 0;
                }
            }
            _ => self.misfits = 0,
        }
    }

    /// The last block of the next step.
    fn until(&self, job: &Job, last: u64) -> u64 {
        last.min(job.next_block.saturating_add(self.range.blocks - 1))
    }

    /// The blocks of a range with the logs of what is followed, as far as they fit into one commit.
    async fn read(&mut self, from: u64, to: u64, followed: &mut Followed) -> Result<Vec<ReadBlock>, Error> {
        let lowest = store::late::find_lowest(&self.stores.db, self.lease.chain_id).await?;
        // Inside the window a block may be taken back between two questions. What is below is read in ranges of its own.
        let (is_near_head, to) = match lowest {
            Some(lowest) if from >= lowest => (true, to.min(from.saturating_add(NEAR_RANGE - 1))),
            Some(lowest) => (false, to.min(lowest - 1)),
            None => (false, to),
        };
        let headers = fetch::headers(&self.node, from, to).await?;
        let asked = headers.len() as u64;
        let Fetched { mut blocks, answer_bytes } =
            fetch::read(&self.node, headers, followed, is_near_head).await?;
        self.range.had(asked, answer_bytes);
        let mut weight = 0;
        let fits = blocks.iter().take_while(|block| {
            weight += block.weight();
            weight <= COMMIT_WEIGHT
        });
        let fits = fits.count().max(1);
        if fits < blocks.len() {
            blocks.truncate(fits);
            self.range.blocks = self.range.blocks.min(fits as u64);
        }
        read_contracts(&self.node, &mut blocks).await?;
        Ok(blocks)
    }

    /// Moves a job on in the transaction of its step; refuses the step where somebody has ended the job meanwhile.
    async fn advance(&self, tx: &mut PgConnection, job: &Job, found: &Found, now: Moved) -> Result<(), Stop> {
        let found = found.to_json();
        let advanced = Advanced {
            next_block: now.next_block,
            to_block: now.to_block.unwrap_or(job.to_block),
            blocks: now.blocks,
            events: now.events,
            found: &found,
            is_done: now.is_done,
        };
        if !store::job::advance(tx, job, &advanced).await? {
            return Err(Error::Stale.into());
        }
        Ok(())
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default)]
struct Moved {
    next_block: u64,
    /// Where it is another one now.
    to_block: Option<u64>,
    blocks: usize,
    events: usize,
    is_done: bool,
}

/// The first part of a job's messages.
fn first_part(job: &Job) -> u64 {
    job.id.cast_unsigned() << PART_BITS
}
