//! How this process gets on with its chains: health is progress, not a living process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ids::{BlockHash, ChainId};
use serde_json::{Value, json};

use crate::model::BlockRef;

/// Rates are told of so much of the past.
const RATE_OVER: Duration = Duration::from_secs(30);
/// Commits that are remembered for it; older ones are put together.
const RATE_PARTS: usize = 64;
/// A head that has not moved for so many of the chain's usual block times stands still.
const STILL_BLOCKS: u32 = 20;
/// And for no less than this: some chains make a block when there is something to put into it.
const STILL_LEAST: Duration = Duration::from_secs(60);

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Another process has the chain.
    StandingBy,
    /// The lease is ours; where to go on from is being found out.
    Starting,
    /// The registry names no contract to read.
    WaitingForContracts,
    /// Blocks are read.
    Following,
    /// A reorganisation was too deep.
    Halted,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            State::StandingBy => "standing by",
            State::Starting => "starting",
            State::WaitingForContracts => "waiting for contracts",
            State::Following => "following",
            State::Halted => "halted",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Part {
    at: Instant,
    blocks: u64,
    events: u64,
}

/// What was committed of late.
#[derive(Debug, Clone, Default)]
struct Recent(VecDeque<Part>);

impl Recent {
    fn add(&mut self, at: Instant, blocks: u64, events: u64) {
        self.0.retain(|part| at.saturating_duration_since(part.at) <= RATE_OVER);
        let slot = RATE_OVER / RATE_PARTS as u32;
        match self.0.back_mut() {
            Some(last) if at.saturating_duration_since(last.at) < slot => {
                (last.blocks, last.events) = (last.blocks + blocks, last.events + events);
            }
            _ => self.0.push_back(Part { at, blocks, events }),
        }
    }

    fn per_second(&self, now: Instant) -> (f64, f64) {
        let recent = self.0.iter().filter(|part| now.saturating_duration_since(part.at) <= RATE_OVER);
        let (blocks, events) = recent.fold((0, 0), |sum, part| (sum.0 + part.blocks, sum.1 + part.events));
        let seconds = RATE_OVER.as_secs_f64();
        (blocks as f64 / seconds, events as f64 / seconds)
    }
}

/// One chain, as this process sees it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) state: State,
    pub(crate) head: Option<BlockRef>,
    pub(crate) indexed: Option<BlockRef>,
    /// When blocks were committed last.
    pub(crate) committed_at: Option<Instant>,
    pub(crate) error: Option<String>,
    /// When it was last known that nothing is missing, or that something was added.
    advanced_at: Instant,
    /// When a node last told of a head at all.
    heard_at: Option<Instant>,
    /// When the node last told of another head.
    head_moved_at: Instant,
    /// Since when the database does not say whose the chain is.
    lease_unknown_since: Option<Instant>,
    recent: Recent,
}

impl Seen {
    fn new(now: Instant) -> Seen {
        Seen {
            state: State::StandingBy,
            head: None,
            indexed: None,
            committed_at: None,
            error: None,
            advanced_at: now,
            heard_at: None,
            head_moved_at: now,
            lease_unknown_since: None,
            recent: Recent::default(),
        }
    }

    /// Blocks between the head and what is committed.
    pub(crate) fn lag(&self) -> u64 {
        match (self.head, self.indexed) {
            (Some(head), Some(indexed)) => head.number.saturating_sub(indexed.number),
            _ => 0,
        }
    }

    /// The same in the chain's time.
    pub(crate) fn lag_seconds(&self) -> f64 {
        match (self.head, self.indexed) {
            (Some(head), Some(indexed)) => seconds_between(indexed, head),
            _ => 0.0,
        }
    }

    /// Blocks and events a second, of late.
    pub(crate) fn rates(&self) -> (f64, f64) {
        self.recent.per_second(Instant::now())
    }

    pub(crate) fn since_progress(&self) -> Duration {
        self.advanced_at.elapsed()
    }

    pub(crate) fn since_head_moved(&self) -> Duration {
        self.head_moved_at.elapsed()
    }

    /// The head and where we are, for the row that everybody reads: where a node has told of a head within so long, and
    /// no commit has written it down since.
    pub(crate) fn news(&self, within: Duration) -> Option<(BlockRef, BlockRef)> {
        let is_recent = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() <= within);
        let is_news = self.state == State::Following && is_recent(self.heard_at);
        self.head.zip(self.indexed).filter(|_| is_news && !is_recent(self.committed_at))
    }

    /// Whether the head has not moved for long, for a chain of such blocks. The nodes may be wrong, or nothing happens:
    /// nobody here can tell, so that it is shown and alerted on, and does not take the process out of service.
    fn stands_still(&self, block_time: Duration) -> bool {
        let patience = (block_time * STILL_BLOCKS).max(STILL_LEAST);
        self.state == State::Following && self.head.is_some() && self.since_head_moved() > patience
    }

    fn trouble(&self, stalled: Duration) -> Option<&'static str> {
        if self.lease_unknown_since.is_some_and(|since| since.elapsed() > stalled) {
            return Some("the lease cannot be asked for");
        }
        match self.state {
            State::Halted => Some("halted"),
            State::Starting | State::Following if self.since_progress() > stalled => Some("no progress"),
            _ => None,
        }
    }

    fn shown(&self, block_time: Duration) -> Value {
        let (blocks, events) = self.rates();
        json!({
            "state": self.state.as_str(),
            "head": self.head.map(|block| block.number),
            "indexed": self.indexed.map(|block| block.number),
            "lag_blocks": self.lag(),
            "lag_seconds": self.lag_seconds(),
            "blocks_per_second": blocks,
            "events_per_second": events,
            "seconds_since_commit": self.committed_at.map(|at| at.elapsed().as_secs()),
            "seconds_since_progress": self.since_progress().as_secs(),
            "seconds_since_head_moved": self.since_head_moved().as_secs(),
            "head_stands_still": self.stands_still(block_time),
            "error": self.error,
        })
    }
}

/// How much later the second block is, by the chain's clock.
pub(crate) fn seconds_between(earlier: BlockRef, later: BlockRef) -> f64 {
    (later.time - earlier.time).as_seconds_f64().max(0.0)
}

/// Every chain of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<BTreeMap<ChainId, Seen>>>);

impl Progress {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChainId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, chain_id: ChainId, change: impl FnOnce(&mut Seen, Instant)) {
        let now = Instant::now();
        change(self.lock().entry(chain_id).or_insert_with(|| Seen::new(now)), now);
    }

    pub(crate) fn state(&self, chain_id: ChainId, state: State) {
        self.change(chain_id, |seen, now| {
            if state == State::StandingBy {
                // What this process knew is another one's to know now; the row tells what is committed.
                let lease_unknown_since = seen.lease_unknown_since;
                *seen = Seen { lease_unknown_since, ..Seen::new(now) };
            } else if seen.state != state {
                (seen.state, seen.advanced_at, seen.head_moved_at) = (state, now, now);
            }
        });
    }

    /// The node was asked; `tip_hash` is the newest block that we have. Nothing is missing only where it is that one: of
    /// the same height there may be another.
    pub(crate) fn head(&self, chain_id: ChainId, head: BlockRef, tip_hash: BlockHash) {
        self.change(chain_id, |seen, now| {
            seen.heard_at = Some(now);
            if seen.head.map(|head| head.hash) != Some(head.hash) {
                (seen.head, seen.head_moved_at) = (Some(head), now);
            }
            if head.hash == tip_hash {
                (seen.advanced_at, seen.error) = (now, None);
            }
        });
    }

    /// Where a worker goes on from.
    pub(crate) fn indexed(&self, chain_id: ChainId, block: BlockRef) {
        self.change(chain_id, |seen, now| {
            if seen.indexed != Some(block) {
                (seen.indexed, seen.advanced_at, seen.error) = (Some(block), now, None);
            }
        });
    }

    /// So many blocks with so many events are committed, up to this one.
    pub(crate) fn committed(&self, chain_id: ChainId, block: BlockRef, blocks: u64, events: u64) {
        self.change(chain_id, |seen, now| {
            (seen.indexed, seen.advanced_at, seen.error) = (Some(block), now, None);
            seen.committed_at = Some(now);
            seen.recent.add(now, blocks, events);
        });
    }

    /// Whether the database could be asked whose the chain is.
    pub(crate) fn lease_known(&self, chain_id: ChainId, is_known: bool) {
        self.change(chain_id, |seen, now| {
            seen.lease_unknown_since =
                if is_known { None } else { Some(seen.lease_unknown_since.unwrap_or(now)) };
        });
    }

    pub(crate) fn failed(&self, chain_id: ChainId, error: String) {
        self.change(chain_id, |seen, _| seen.error = Some(error));
    }

    /// The chain is read no more.
    pub(crate) fn forget(&self, chain_id: ChainId) {
        self.lock().remove(&chain_id);
    }

    /// What is known now.
    pub(crate) fn all(&self) -> BTreeMap<ChainId, Seen> {
        self.lock().clone()
    }

    /// For `/ready`: every chain, and no where one is halted, stands still behind its head, or cannot be claimed.
    pub(crate) fn ready(
        &self,
        stalled: Duration,
        block_time: impl Fn(ChainId) -> Duration,
    ) -> Result<Value, String> {
        let all = self.all();
        let shown = |chain_id: &ChainId, seen: &Seen| seen.shown(block_time(*chain_id));
        let chains: serde_json::Map<String, Value> =
            all.iter().map(|(chain_id, seen)| (chain_id.to_string(), shown(chain_id, seen))).collect();
        let troubles: Vec<String> = all
            .iter()
            .filter_map(|(chain_id, seen)| {
                let trouble = seen.trouble(stalled)?;
                Some(format!("{chain_id}: {trouble}: {}", shown(chain_id, seen)))
            })
            .collect();
        if troubles.is_empty() { Ok(chains.into()) } else { Err(troubles.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use ids::Hash32;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn block(number: u64) -> BlockRef {
        BlockRef { number, hash: Hash32::new([number as u8; 32]), time: chrono::Utc::now() }
    }

    fn ready(progress: &Progress, stalled: Duration) -> Result<Value, String> {
        progress.ready(stalled, |_| SECOND)
    }

    #[test]
    fn a_chain_that_stands_still_behind_its_head_is_not_ready_and_one_at_its_head_is() {
        let (progress, chain_id) = (Progress::default(), ChainId::new(1).unwrap());
        assert!(ready(&progress, Duration::ZERO).is_ok(), "no chain is no trouble");
        progress.state(chain_id, State::Following);
        progress.indexed(chain_id, block(5));
        progress.head(chain_id, block(9), block(5).hash);
        std::thread::sleep(Duration::from_millis(2));
        let trouble = ready(&progress, Duration::from_millis(1)).unwrap_err();
        assert!(trouble.contains("no progress") && trouble.contains("\"lag_blocks\":4"), "{trouble}");
        progress.head(chain_id, BlockRef { hash: Hash32::new([0xff; 32]), ..block(5) }, block(5).hash);
        assert!(
            ready(&progress, Duration::from_millis(1)).is_err(),
            "a head of another branch is no progress"
        );
        progress.head(chain_id, block(5), block(5).hash);
        assert!(ready(&progress, Duration::from_secs(60)).is_ok());
        progress.state(chain_id, State::Halted);
        assert!(ready(&progress, Duration::from_secs(60)).unwrap_err().contains("halted"));
    }

    #[test]
    fn a_chain_that_cannot_be_begun_is_not_ready() {
        let (progress, chain_id) = (Progress::default(), ChainId::new(1).unwrap());
        progress.state(chain_id, State::Starting);
        progress.failed(chain_id, "no node answers".into());
        std::thread::sleep(Duration::from_millis(2));
        let trouble = ready(&progress, Duration::from_millis(1)).unwrap_err();
        assert!(trouble.contains("no progress") && trouble.contains("no node answers"), "{trouble}");
    }

    #[test]
    fn who_stands_by_knows_nothing_of_the_chain_any_more() {
        let (progress, chain_id) = (Progress::default(), ChainId::new(1).unwrap());
        progress.state(chain_id, State::Following);
        progress.committed(chain_id, block(5), 1, 7);
        progress.head(chain_id, block(9), block(5).hash);
        progress.failed(chain_id, "the node failed".into());
        progress.state(chain_id, State::StandingBy);
        let seen = progress.all().remove(&chain_id).unwrap();
        assert_eq!((seen.head, seen.indexed, seen.error.as_deref()), (None, None, None));
        assert_eq!((seen.rates(), seen.committed_at), ((0.0, 0.0), None));
    }

    #[test]
    fn a_head_is_news_for_the_row_where_no_commit_has_brought_it_there() {
        let (within, mut seen) = (Duration::from_secs(5), Seen::new(Instant::now()));
        (seen.state, seen.head, seen.indexed) = (State::Following, Some(block(9)), Some(block(7)));
        assert_eq!(seen.news(within), None, "nobody has told of it");
        seen.heard_at = Some(Instant::now());
        assert_eq!(seen.news(within).map(|(head, indexed)| (head.number, indexed.number)), Some((9, 7)));
        seen.committed_at = Some(Instant::now());
        assert_eq!(seen.news(within), None, "the commit told of it");
    }

    #[test]
    fn a_chain_that_cannot_be_claimed_is_not_ready_until_it_can() {
        let (progress, chain_id) = (Progress::default(), ChainId::new(1).unwrap());
        progress.lease_known(chain_id, false);
        std::thread::sleep(Duration::from_millis(2));
        let trouble = ready(&progress, Duration::from_millis(1)).unwrap_err();
        assert!(trouble.contains("lease"), "{trouble}");
        progress.lease_known(chain_id, true);
        assert!(ready(&progress, Duration::from_millis(1)).is_ok());
    }

    #[test]
    fn rates_count_the_last_half_minute_and_no_more() {
        let (mut recent, begin) = (Recent::default(), Instant::now());
        recent.add(begin, 1000, 1000);
        for second in 31..61 {
            recent.add(begin + SECOND * second, 2, 60);
        }
        let (blocks, events) = recent.per_second(begin + SECOND * 61);
        assert!((blocks - 2.0).abs() < 0.01 && (events - 60.0).abs() < 0.01, "{blocks} {events}");
        assert!(recent.0.len() <= RATE_PARTS + 1);
        assert_eq!(recent.per_second(begin + SECOND * 100), (0.0, 0.0));
    }

    #[test]
    fn a_head_that_does_not_move_is_said_to_stand_still_without_being_a_fault_of_ours() {
        let mut seen = Seen::new(Instant::now());
        (seen.state, seen.head) = (State::Following, Some(block(7)));
        assert!(!seen.stands_still(SECOND));
        let Some(long_ago) = Instant::now().checked_sub(Duration::from_secs(90)) else { return };
        seen.head_moved_at = long_ago;
        assert!(seen.stands_still(SECOND), "twenty seconds are over, and a minute is");
        assert!(!seen.stands_still(SECOND * 12), "of a slow chain it is nothing yet");
        assert_eq!(seen.trouble(Duration::from_secs(60)), None);
    }
}
