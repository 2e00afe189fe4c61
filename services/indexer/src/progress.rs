//! How this process gets on with its chains: health is progress, not a living process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ids::ChainId;
use serde_json::{Value, json};

use crate::model::BlockRef;

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Another process has the chain.
    StandingBy,
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
            State::WaitingForContracts => "waiting for contracts",
            State::Following => "following",
            State::Halted => "halted",
        }
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
    /// When it was last known that nothing is missing, or that something was added.
    advanced_at: Instant,
    error: Option<String>,
}

impl Seen {
    pub(crate) fn lag(&self) -> u64 {
        match (self.head, self.indexed) {
            (Some(head), Some(indexed)) => head.number.saturating_sub(indexed.number),
            _ => 0,
        }
    }

    fn trouble(&self, stalled: Duration) -> Option<&'static str> {
        match self.state {
            State::Halted => Some("halted"),
            State::Following if self.advanced_at.elapsed() > stalled => Some("no progress"),
            _ => None,
        }
    }

    fn shown(&self) -> Value {
        json!({
            "state": self.state.as_str(),
            "head": self.head.map(|block| block.number),
            "indexed": self.indexed.map(|block| block.number),
            "lag_blocks": self.lag(),
            "seconds_since_commit": self.committed_at.map(|at| at.elapsed().as_secs()),
            "seconds_since_progress": self.advanced_at.elapsed().as_secs(),
            "error": self.error,
        })
    }
}

/// Every chain of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<BTreeMap<ChainId, Seen>>>);

impl Progress {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChainId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, chain_id: ChainId, change: impl FnOnce(&mut Seen)) {
        change(self.lock().entry(chain_id).or_insert_with(|| Seen {
            state: State::StandingBy,
            head: None,
            indexed: None,
            committed_at: None,
            advanced_at: Instant::now(),
            error: None,
        }));
    }

    pub(crate) fn state(&self, chain_id: ChainId, state: State) {
        self.change(chain_id, |seen| {
            if seen.state != state {
                (seen.state, seen.advanced_at) = (state, Instant::now());
            }
        });
    }

    /// The node was asked; `indexed` is the height that we have.
    pub(crate) fn head(&self, chain_id: ChainId, head: BlockRef, indexed: u64) {
        self.change(chain_id, |seen| {
            seen.head = Some(head);
            if head.number <= indexed {
                (seen.advanced_at, seen.error) = (Instant::now(), None);
            }
        });
    }

    /// Blocks are committed up to this one.
    pub(crate) fn indexed(&self, chain_id: ChainId, block: BlockRef) {
        self.change(chain_id, |seen| {
            if seen.indexed != Some(block) {
                let now = Instant::now();
                (seen.indexed, seen.committed_at, seen.advanced_at, seen.error) =
                    (Some(block), Some(now), now, None);
            }
        });
    }

    pub(crate) fn failed(&self, chain_id: ChainId, error: String) {
        self.change(chain_id, |seen| seen.error = Some(error));
    }

    /// The chain is read no more.
    pub(crate) fn forget(&self, chain_id: ChainId) {
        self.lock().remove(&chain_id);
    }

    /// What is known now.
    pub(crate) fn all(&self) -> BTreeMap<ChainId, Seen> {
        self.lock().clone()
    }

    /// For `/ready`: every chain, and no where one is halted or stands still behind its head.
    pub(crate) fn ready(&self, stalled: Duration) -> Result<Value, String> {
        let all = self.all();
        let shown = |seen: &Seen| seen.shown();
        let chains: serde_json::Map<String, Value> =
            all.iter().map(|(chain_id, seen)| (chain_id.to_string(), shown(seen))).collect();
        let troubles: Vec<String> = all
            .iter()
            .filter_map(|(chain_id, seen)| {
                let trouble = seen.trouble(stalled)?;
                Some(format!("{chain_id}: {trouble}: {}", shown(seen)))
            })
            .collect();
        if troubles.is_empty() { Ok(chains.into()) } else { Err(troubles.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use ids::Hash32;

    use super::*;

    fn block(number: u64) -> BlockRef {
        BlockRef { number, hash: Hash32::new([number as u8; 32]), time: chrono::Utc::now() }
    }

    #[test]
    fn a_chain_that_stands_still_behind_its_head_is_not_ready_and_one_at_its_head_is() {
        let (progress, chain_id) = (Progress::default(), ChainId::new(1).unwrap());
        assert!(progress.ready(Duration::ZERO).is_ok(), "no chain is no trouble");
        progress.state(chain_id, State::Following);
        progress.indexed(chain_id, block(5));
        progress.head(chain_id, block(9), 5);
        std::thread::sleep(Duration::from_millis(2));
        let trouble = progress.ready(Duration::from_millis(1)).unwrap_err();
        assert!(trouble.contains("no progress") && trouble.contains("\"lag_blocks\":4"), "{trouble}");
        progress.head(chain_id, block(5), 5);
        assert!(progress.ready(Duration::from_secs(60)).is_ok());
        progress.state(chain_id, State::Halted);
        assert!(progress.ready(Duration::from_secs(60)).unwrap_err().contains("halted"));
    }
}
