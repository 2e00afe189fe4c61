//! Reorganisations that follow one another without a new block between them: a chain may flip from A to B and back, but
//! two endpoints on two branches, or one that is wrong, make it flip for ever.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use ids::ChainId;
use prometheus::{IntCounterVec, register_int_counter_vec};

/// So many are followed as they come.
const AT_ONCE: u32 = 3;
/// The next one must have lasted so long, and each further one twice as long.
const FIRST_PATIENCE: Duration = Duration::from_millis(100);
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);
/// So many are no accident.
const A_LOOP: u32 = 8;
/// What lies so far back counts no more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

static LOOPS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Times that reorganisations followed one another without a new block.";
    register_int_counter_vec!("indexer_reorg_loops_total", help, &["chain"])
        .expect("each metric is registered once")
});

/// What a worker remembers of its reorganisations.
#[derive(Debug, Default)]
pub(super) struct Settling {
    highest: u64,
    in_a_row: u32,
    last_at: Option<Instant>,
    /// Since when every look has shown another branch than ours.
    other_since: Option<Instant>,
}

impl Settling {
    /// The branch that we have is the node's.
    pub(super) fn agreed(&mut self, indexed: u64) {
        self.other_since = None;
        if indexed > self.highest {
            (self.highest, self.in_a_row) = (indexed, 0);
        }
    }

    /// The node shows another branch: whether it is to be followed now.
    pub(super) fn is_settled(&mut self, now: Instant) -> bool {
        if self.last_at.is_some_and(|at| now.saturating_duration_since(at) > FORGOTTEN_AFTER) {
            self.in_a_row = 0;
        }
        let since = *self.other_since.get_or_insert(now);
        let doublings = match self.in_a_row.checked_sub(AT_ONCE) {
            Some(doublings) => doublings.min(10),
            None => return true,
        };
        let patience = (FIRST_PATIENCE * (1 << doublings)).min(LONGEST_PATIENCE);
        now.saturating_duration_since(since) >= patience
    }

    /// It was followed, away from a tip of this height. True when there were so many that something is wrong.
    pub(super) fn followed(&mut self, chain_id: ChainId, tip: u64, now: Instant) -> bool {
        self.highest = self.highest.max(tip);
        (self.in_a_row, self.last_at, self.other_since) = (self.in_a_row + 1, Some(now), None);
        let is_loop = self.in_a_row >= A_LOOP;
        if is_loop {
            LOOPS.with_label_values(&[chain_id.to_string().as_str()]).inc();
        }
        is_loop
    }

    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(50);

    #[test]
    fn a_chain_that_flips_a_few_times_is_followed_at_once() {
        let (mut settling, now, chain) = (Settling::default(), Instant::now(), ChainId::new(1).unwrap());
        settling.agreed(10);
        for _ in 0..AT_ONCE {
            assert!(settling.is_settled(now));
            assert!(!settling.followed(chain, 10, now));
            settling.agreed(10);
        }
        assert!(!settling.is_settled(now), "then a branch must last");
        assert!(settling.is_settled(now + FIRST_PATIENCE));
        // A block beyond all that were seen is progress.
        settling.agreed(11);
        assert!(settling.is_settled(now));
    }

    #[test]
    fn two_branches_that_alternate_are_not_followed_back_and_forth() {
        let (mut settling, mut now, chain) = (Settling::default(), Instant::now(), ChainId::new(1).unwrap());
        settling.agreed(10);
        let mut followed = 0;
        for look in 0..1000 {
            now += LOOK;
            // Every other look shows the branch that we do not have.
            if look % 2 == 0 {
                settling.agreed(10);
            } else if settling.is_settled(now) {
                settling.followed(chain, 10, now);
                followed += 1;
            }
        }
        assert!(followed <= AT_ONCE, "{followed}");
    }

    #[test]
    fn a_loop_is_noticed_and_slows_down() {
        let (mut settling, begin, chain) = (Settling::default(), Instant::now(), ChainId::new(1).unwrap());
        settling.agreed(10);
        let (mut now, mut followed, mut loops) = (begin, 0, 0);
        while now < begin + Duration::from_secs(60) {
            now += LOOK;
            if settling.is_settled(now) {
                followed += 1;
                loops += u32::from(settling.followed(chain, 10, now));
                settling.agreed(9);
            }
        }
        assert!(loops > 0, "it is said");
        assert!(followed < 20, "{followed} in a minute");
    }
}
