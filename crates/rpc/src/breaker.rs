//! Stops asking a target that does not answer, and tries it again with one call at a time.
use std::{sync::Mutex, time::Duration};

use rand::Rng;
use tokio::time::Instant;

use crate::metrics::BREAKER;

/// So many failures in a row open the breaker at once.
const IN_A_ROW: u32 = 5;
/// Or half of this many last calls.
const WINDOW: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How a call went, as far as the target's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Failed,
    /// Nothing can be said: the caller went away, or gave it no time.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Breaker {
    target: &'static str,
    first_pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// The last calls, newest in the lowest bit, set when failed.
    Closed {
        failed: u32,
        calls: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One call is on its way to find out.
    Probing {
        pause: Duration,
    },
}

/// The right to make one call; its outcome must be told.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
    told: bool,
}

impl Breaker {
    pub(crate) fn new(target: &'static str) -> Self {
        Self::with_pause(target, FIRST_PAUSE)
    }

    fn with_pause(target: &'static str, first_pause: Duration) -> Self {
        BREAKER.with_label_values(&[target]).set(0);
        Self { target, first_pause, state: Mutex::new(State::closed()) }
    }

    /// `Err` says how long to wait before the target is tried again.
    pub(crate) fn admit(&self) -> Result<Admission<'_>, Duration> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let admission = |is_probe| Admission { breaker: self, is_probe, told: false };
        match *state {
            State::Closed { .. } => Ok(admission(false)),
            State::Open { until, pause } => {
                let wait = until.saturating_duration_since(Instant::now());
                if !wait.is_zero() {
                    return Err(wait);
                }
                *state = State::Probing { pause };
                self.show(1);
                Ok(admission(true))
            }
            State::Probing { pause } => Err(pause / 2),
        }
    }

    fn settle(&self, is_probe: bool, outcome: Outcome) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match (&mut *state, outcome) {
            (State::Closed { failed, calls }, Outcome::Answered | Outcome::Failed) => {
                *failed = (*failed << 1) | u32::from(outcome == Outcome::Failed);
                *calls = (*calls + 1).min(WINDOW);
                let in_a_row = failed.trailing_ones();
                let in_window = (*failed & ((1 << WINDOW) - 1)).count_ones();
                if in_a_row >= IN_A_ROW || (*calls == WINDOW && in_window * 2 >= WINDOW) {
                    self.open(&mut state, self.first_pause);
                }
            }
            (State::Probing { pause }, _) if is_probe => match outcome {
                Outcome::Answered => {
                    *state = State::closed();
                    self.show(0);
                    tracing::info!(target.service = self.target, "target answers again");
                }
                Outcome::Failed => {
                    let longer = (*pause * 2).min(LONGEST_PAUSE);
                    self.open(&mut state, longer);
                }
                // The next call probes.
                Outcome::Unknown => *state = State::Open { until: Instant::now(), pause: *pause },
            },
            // What was sent before the breaker opened says nothing new.
            _ => {}
        }
    }

    fn open(&self, state: &mut State, pause: Duration) {
        // Many callers must not try again in the same moment.
        let jittered = pause.mul_f64(rand::rng().random_range(0.8..1.2));
        *state = State::Open { until: Instant::now() + jittered, pause };
        self.show(2);
        tracing::warn!(
            target.service = self.target,
            pause_ms = jittered.as_millis(),
            "target does not answer"
        );
    }

    fn show(&self, value: i64) {
        BREAKER.with_label_values(&[self.target]).set(value);
    }
}

impl State {
    fn closed() -> Self {
        Self::Closed { failed: 0, calls: 0 }
    }
}

impl Admission<'_> {
    pub(crate) fn tell(mut self, outcome: Outcome) {
        self.told = true;
        self.breaker.settle(self.is_probe, outcome);
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.settle(self.is_probe, Outcome::Unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Breaker, Outcome};

    const SHORT: Duration = Duration::from_millis(20);

    fn call(breaker: &Breaker, outcome: Outcome) -> bool {
        breaker.admit().map(|admission| admission.tell(outcome)).is_ok()
    }

    #[tokio::test]
    async fn five_failures_in_a_row_open_it_and_one_probe_closes_it() {
        let breaker = Breaker::with_pause("test-row", SHORT);
        for _ in 0..5 {
            assert!(call(&breaker, Outcome::Failed));
        }
        let wait = breaker.admit().expect_err("it is open");
        tokio::time::sleep(wait).await;

        let probe = breaker.admit().expect("half-open lets one through");
        assert!(breaker.admit().is_err(), "and only one");
        probe.tell(Outcome::Answered);
        assert!(call(&breaker, Outcome::Failed), "closed again, with a clean slate");
        assert!(breaker.admit().is_ok());
    }

    #[tokio::test]
    async fn a_probe_that_fails_waits_longer_and_one_that_is_dropped_is_repeated() {
        let breaker = Breaker::with_pause("test-probe", SHORT);
        for _ in 0..5 {
            call(&breaker, Outcome::Failed);
        }
        let first = breaker.admit().expect_err("it is open");
        tokio::time::sleep(first).await;
        assert!(call(&breaker, Outcome::Failed));
        let second = breaker.admit().expect_err("open again");
        assert!(second > first, "{second:?} after {first:?}");

        tokio::time::sleep(second).await;
        drop(breaker.admit());
        assert!(call(&breaker, Outcome::Answered), "the next call probes");
    }

    #[tokio::test]
    async fn half_of_the_last_twenty_open_it_and_answers_in_between_do_not_help() {
        let breaker = Breaker::new("test-half");
        let made = (0..20)
            .take_while(|n| call(&breaker, if n % 2 == 0 { Outcome::Failed } else { Outcome::Answered }));
        assert_eq!(made.count(), 20);
        assert!(breaker.admit().is_err());
    }

    #[tokio::test]
    async fn what_says_nothing_changes_nothing() {
        let breaker = Breaker::new("test-unknown");
        assert!((0..100).all(|_| call(&breaker, Outcome::Unknown)));
    }
}
