//! Turns to ask chains: so many at once in a process, and few of them at one chain, so that a chain that hangs does not
//! keep the others from being asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ids::ChainId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long whoever wants to ask waits.
const TURN_WITHIN: Duration = Duration::from_secs(1);
const AT_ONE_CHAIN: usize = 3;

/// The turns of this process. Clones share them.
#[derive(Clone)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// Chains are as many as are enabled.
    of_chains: Arc<Mutex<HashMap<ChainId, Arc<Semaphore>>>>,
}

/// A turn; given back when dropped.
pub(crate) struct Turn {
    _of_chain: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(at_once: usize) -> Turns {
        let all = Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        Turns { all, of_chains: Arc::default() }
    }

    /// A turn at the chain; `None` where none became free in time.
    pub(super) async fn take(&self, chain_id: ChainId) -> Option<Turn> {
        let of_chain = {
            let mut of_chains = self.of_chains.lock().unwrap_or_else(PoisonError::into_inner);
            let few = || Arc::new(Semaphore::new(AT_ONE_CHAIN));
            Arc::clone(of_chains.entry(chain_id).or_insert_with(few))
        };
        let taking = async {
            // Whoever waits for a chain must not keep a turn from those who ask another one.
            let of_chain = of_chain.acquire_owned().await.ok()?;
            Some(Turn { _of_chain: of_chain, _of_all: Arc::clone(&self.all).acquire_owned().await.ok()? })
        };
        tokio::time::timeout(TURN_WITHIN, taking).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_chain_that_hangs_leaves_turns_for_the_others() {
        let turns = Turns::new(8);
        // Whoever would have to wait has none.
        let take = |number| turns.take(ChainId::new(number).unwrap()).now_or_never().flatten();
        let mut held = Vec::new();
        for _ in 0..AT_ONE_CHAIN {
            held.push(take(1).unwrap());
        }
        assert!(take(1).is_none());
        for other in [2, 2, 2, 3, 3] {
            held.push(take(other).unwrap());
        }
        assert!(take(4).is_none(), "eight at once");
        held.clear();
        assert!(take(1).is_some());
    }
}
