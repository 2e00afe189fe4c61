//! A chain far behind its head: while one range is recorded, the next one is fetched. Two ranges are in memory at most,
//! and a range is as large as its answers allow.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use evm::Node;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::{
    fetch::{self, Fetched},
    followed::Followed,
    fork::{Link, View},
    lease::Lease,
    position::Position,
};
use crate::{
    error::Error,
    metrics,
    model::{BlockRef, Header},
    progress::Progress,
    read_contract::read_contracts,
    record::{self, Ahead, ReadBlock},
    registry::Chain,
    store::{Stores, chain::Leaves},
};

/// Blocks that are asked for at first; errors halve it, success lets it grow.
const FIRST_RANGE: u64 = 32;
/// The answer for a range should be about so much.
const RANGE_BYTES: usize = 800_000;
/// Then a range that a node refused is tried again.
const BOUND_HOLDS: Duration = Duration::from_secs(60);
/// What is recorded in one commit, about.
const COMMIT_WEIGHT: usize = 1_500_000;
/// Between two questions for the head while the chain catches up.
const HEAD_EVERY: Duration = Duration::from_secs(5);
/// Between two questions for the safe and the finalized block.
const MARKS_EVERY: Duration = Duration::from_secs(10);

/// How many blocks are asked for at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) blocks: u64,
    largest: u64,
    /// Of how many blocks no more is asked for the time being, and since when.
    bound: Option<(u64, Instant)>,
}

impl Range {
    pub(crate) fn new(largest: u64) -> Range {
        let largest = largest.max(1);
        Range { blocks: FIRST_RANGE.min(largest), largest, bound: None }
    }

    /// The node said that it was too much: it will say so again. False where it cannot be less.
    pub(crate) fn refused(&mut self) -> bool {
        let could_be_less = self.blocks > 1;
        self.failed();
        self.bound = Some((self.blocks, Instant::now()));
        could_be_less
    }

    /// The node did not answer: perhaps it was too much.
    pub(crate) fn failed(&mut self) {
        self.blocks = (self.blocks / 2).max(1);
    }

    /// So many blocks had an answer of so many bytes.
    pub(crate) fn had(&mut self, asked: u64, answer_bytes: usize) {
        let fitting = (asked * RANGE_BYTES as u64) / (answer_bytes.max(1) as u64);
        if answer_bytes > RANGE_BYTES * 2 {
            self.blocks = fitting.max(1);
        } else if asked >= self.blocks {
            let bound = self.bound.filter(|(_, since)| since.elapsed() < BOUND_HOLDS);
            let most = bound.map_or(self.largest, |(blocks, _)| blocks.min(self.largest));
            self.blocks = fitting.clamp(1, self.blocks * 2).min(most);
        }
    }
}

/// What the node calls safe and finalized, as of a while ago. What it does not tell now is as it was.
#[derive(Debug, Default)]
pub(super) struct Marks {
    asked_at: Option<Instant>,
    safe: Option<u64>,
    finalized: Option<u64>,
}

impl Marks {
    /// The node's view of what is not read yet.
    pub(super) async fn ahead(&mut self, node: &Node, head: BlockRef) -> Ahead {
        if self.asked_at.is_none_or(|at| at.elapsed() >= MARKS_EVERY) {
            let (safe, finalized) = fetch::marks(node).await;
            (self.safe, self.finalized) = (safe.or(self.safe), finalized.or(self.finalized));
            self.asked_at = Some(Instant::now());
        }
        Ahead { head, safe: self.safe, finalized: self.finalized }
    }
}

/// Reads on from the blocks `first`, which build on the position, and records. Goes on until the window below the head,
/// where a block must be asked for by its hash; near the head it is only these blocks. What has been read when something
/// goes wrong with the rest is recorded all the same.
pub(super) async fn extend(
    with: With<'_>,
    at: &mut Position,
    first: Vec<Header>,
    head: BlockRef,
) -> Result<(), Error> {
    let With { stores, node, lease, chain, progress, range, marks, commits } = with;
    let window = View::window(at.depth);
    let version = at.followed.version;
    let Position { view, depth, followed, is_raw_behind, .. } = at;
    let (ranges, arrived) = mpsc::channel(1);
    let reader = read_on(Reader { node, chain, range, followed, window, head: head.number }, first, ranges);
    let recorder = Recorder { stores, node, lease, progress, marks, commits, version, depth: *depth };
    let recorder = recorder.record_all(view, is_raw_behind, arrived, head);
    read_and_record(Box::pin(reader), Box::pin(recorder)).await
}

/// Both until one fails: a recorder alone, which nothing can follow; a reader with what it has read already.
async fn read_and_record(
    reader: impl Future<Output = Result<(), Error>>,
    recorder: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    let (reader, mut recorder) = (pin!(reader), pin!(recorder));
    tokio::select! {
        recorded = &mut recorder => recorded,
        read = reader => {
            // Nothing more arrives: it ends by itself.
            recorder.await?;
            read
        }
    }
}

/// What a worker has and both sides need.
pub(super) struct With<'a> {
    pub(super) stores: &'a Stores,
    pub(super) node: &'a Node,
    pub(super) lease: &'a Lease,
    pub(super) chain: &'a watch::Receiver<Chain>,
    pub(super) progress: &'a Progress,
    pub(super) range: &'a mut Range,
    pub(super) marks: &'a mut Marks,
    /// Counted on with each.
    pub(super) commits: &'a mut u64,
}

struct Reader<'a> {
    node: &'a Node,
    chain: &'a watch::Receiver<Chain>,
    range: &'a mut Range,
    followed: &'a mut Followed,
    window: u64,
    head: u64,
}

async fn read_on(
    reader: Reader<'_>,
    first: Vec<Header>,
    ranges: mpsc::Sender<Vec<ReadBlock>>,
) -> Result<(), Error> {
    let Reader { node, chain, range, followed, window, head } = reader;
    let mut headers = first;
    // Room first: what is fetched has its place then, and nothing beyond it is in memory.
    while let Ok(place) = ranges.reserve().await {
        let (Some(lowest), Some(highest)) = (headers.first(), headers.last()) else { return Ok(()) };
        let is_at_head = lowest.number + window > head;
        let (asked, last) = (headers.len() as u64, Link::from(highest));
        let Fetched { mut blocks, answer_bytes } = fetch::read(node, headers, followed, is_at_head).await?;
        read_contracts(node, &mut blocks).await?;
        range.had(asked, answer_bytes);
        place.send(blocks);
        let (from, target) = (last.number + 1, head.saturating_sub(window));
        if from > target || chain.has_changed().unwrap_or(true) {
            return Ok(());
        }
        headers = fetch::headers(node, from, target.min(last.number + range.blocks)).await?;
        if headers.first().is_some_and(|next| next.parent_hash != last.hash) {
            return Err(Error::Inconsistent("a range does not build on the one before"));
        }
    }
    Ok(())
}

struct Recorder<'a> {
    stores: &'a Stores,
    node: &'a Node,
    lease: &'a Lease,
    progress: &'a Progress,
    marks: &'a mut Marks,
    commits: &'a mut u64,
    version: i64,
    depth: u64,
}

impl Recorder<'_> {
    async fn record_all(
        self,
        view: &mut View,
        is_raw_behind: &mut bool,
        mut arrived: mpsc::Receiver<Vec<ReadBlock>>,
        head: BlockRef,
    ) -> Result<(), Error> {
        let (chain_id, depth) = (self.lease.chain_id, self.depth);
        let (mut head, mut asked_at) = (head, Instant::now());
        while let Some(blocks) = arrived.recv().await {
            if asked_at.elapsed() > HEAD_EVERY {
                // Where nobody tells, it is as it was; what was read is recorded in any case.
                if let Ok(found) = fetch::head(self.node).await {
                    head = (&found).into();
                    self.progress.head(chain_id, head, view.tip().hash);
                }
                asked_at = Instant::now();
            }
            let ahead = self.marks.ahead(self.node, head).await;
            for some in by_weight(blocks) {
                let links: Vec<Link> = some.iter().map(|block| Link::from(&block.header)).collect();
                let Some(last) = some.last().map(|block| BlockRef::from(&block.header)) else { continue };
                let (began, count) = (Instant::now(), some.len());
                // What is told of these blocks carries this span as the beginning of its trace.
                let span =
                    tracing::info_span!("record blocks", chain.id = %chain_id, block.number = last.number);
                let leaves = Leaves { hash: view.tip().hash, followed_version: self.version };
                let recorded = record::record(self.stores, self.lease, leaves, some, &ahead, depth);
                let recorded = recorded.instrument(span).await?;
                *self.commits += 1;
                *is_raw_behind |= recorded.is_raw_behind;
                links.into_iter().for_each(|link| view.push(link));
                self.progress.committed(chain_id, last, count as u64, recorded.events as u64);
                metrics::observe_commit(chain_id, last, head, began.elapsed());
                tracing::debug!(
                    chain.id = %chain_id, block.number = last.number, blocks = count, events = recorded.events,
                    duration_ms = began.elapsed().as_millis() as u64, "recorded blocks",
                );
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_been_read_is_recorded_when_the_reader_fails() {
        let (ranges, mut arrived) = mpsc::channel(1);
        let mut recorded = Vec::new();
        let reader = async {
            let ranges = ranges;
            ranges.send(1).await.ok();
            ranges.send(2).await.ok();
            Err(Error::Inconsistent("the third"))
        };
        let recorder = async {
            while let Some(range) = arrived.recv().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
                recorded.push(range);
            }
            Ok(())
        };
        let ended = read_and_record(reader, recorder).await;
        assert!(matches!(ended, Err(Error::Inconsistent("the third"))));
        assert_eq!(recorded, [1, 2]);
    }

    #[tokio::test]
    async fn what_the_node_does_not_tell_of_its_marks_is_as_it_was() {
        let node = Node::new(ids::ChainId::new(1).unwrap(), Vec::new());
        let head = BlockRef { number: 9, hash: ids::Hash32::new([9; 32]), time: chrono::Utc::now() };
        let mut marks = Marks { asked_at: None, safe: Some(5), finalized: Some(3) };
        let ahead = marks.ahead(&node, head).await;
        assert_eq!((ahead.safe, ahead.finalized), (Some(5), Some(3)));
    }

    #[tokio::test]
    async fn a_recorder_that_fails_ends_the_reader_at_once() {
        let ended = read_and_record(std::future::pending(), async { Err(Error::Stale) }).await;
        assert!(matches!(ended, Err(Error::Stale)));
    }

    #[test]
    fn a_range_becomes_as_large_as_its_answers_allow_and_no_larger() {
        let mut range = Range::new(1000);
        for _ in 0..10 {
            range.had(range.blocks, 0);
        }
        assert_eq!(range.blocks, 1000, "empty blocks are read in the largest ranges");
        range.had(1000, RANGE_BYTES * 20);
        assert_eq!(range.blocks, 50, "a heavy answer makes it smaller at once");
        range.had(50, RANGE_BYTES);
        assert_eq!(range.blocks, 50);
        range.had(3, 1);
        assert_eq!(range.blocks, 50, "a small question says nothing of a large one");
        range.had(1, RANGE_BYTES * 100);
        assert_eq!(range.blocks, 1, "a block is the least");
        range.had(1, 1);
        assert_eq!(range.blocks, 2, "it grows step by step");
        range.failed();
        range.failed();
        assert_eq!(range.blocks, 1);
    }

    #[test]
    fn a_range_that_was_refused_is_not_grown_into_again() {
        let mut range = Range::new(1000);
        assert!(range.refused() && range.refused());
        assert_eq!(range.blocks, 8);
        range.had(8, 0);
        assert_eq!(range.blocks, 8, "what was refused would be refused again");
        range.failed();
        range.had(4, 0);
        assert_eq!(range.blocks, 8, "up to there it grows");
        assert!(range.refused() && range.refused() && range.refused());
        assert!(!range.refused(), "one block is the least");
    }
}
