//! An endpoint with its recent past: how well it answers, why it was left, and when it may be asked again.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::Rng;

use crate::{Endpoint, Health, quota::Quota};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE_OF_A_LIAR: Duration = Duration::from_secs(5);
const LONGEST_PAUSE_OF_A_LIAR: Duration = Duration::from_secs(300);
const LONGEST_PEACE: Duration = Duration::from_secs(600);
/// An address may come to lead elsewhere, so the chain is proven again and again.
const PROOF_HOLDS: Duration = Duration::from_secs(5);
/// A lie that lies so far back is forgiven.
const LIES_FORGIVEN_AFTER: Duration = Duration::from_secs(600);
/// What was said of the head is worth nothing after this time.
const HEAD_FRESH: Duration = Duration::from_secs(30);
/// So often another endpoint is heard about the head.
const COMPARED_EVERY: Duration = Duration::from_secs(5);
/// How much one answer moves the averages.
const ALPHA: f64 = 0.1;
/// So often it may not know what another one has known for long.
const MISSES: u32 = 3;
const MISSES_FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Questions that are put together where an endpoint takes so many.
const LARGEST_BATCH: usize = 100;
/// Then a larger batch is tried again.
const BATCHES_REFUSED_FOR: Duration = Duration::from_secs(600);

/// Why an endpoint was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// It said that it is asked too much.
    Limited,
    /// It is behind what another endpoint of the chain said.
    Lagging,
    /// It does not answer, or nothing that can be read.
    Failing,
    /// It said what cannot be.
    Lying,
    /// It serves another chain.
    OtherChain,
}

#[derive(Debug, Clone, Copy)]
struct Left {
    reason: Reason,
    until: Instant,
}

#[derive(Debug, Default)]
struct Behaviour {
    proven_at: Option<Instant>,
    left: Option<Left>,
    /// Failures in a row.
    strikes: u32,
    lies: u32,
    lied_at: Option<Instant>,
    misses: u32,
    missed_at: Option<Instant>,
    /// The share of questions that failed, as an average that forgets.
    failure: f64,
    /// Seconds, as an average that forgets.
    latency: Option<f64>,
    quota: Quota,
    head: Option<SeenHead>,
    /// The largest batch that it may take, as of when it refused a larger one.
    batches: Option<(usize, Instant)>,
    answers: u64,
    failures: u64,
    /// When another endpoint was last heard about this one's head.
    compared_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct SeenHead {
    number: u64,
    at: Instant,
}

impl Behaviour {
    fn failed(&mut self) {
        self.failure += ALPHA * (1.0 - self.failure);
        self.failures += 1;
    }
}

/// An endpoint in use. What is known of its health outlives a change of its settings.
pub(crate) struct Live {
    pub(crate) endpoint: Endpoint,
    past: Arc<Past>,
}

#[derive(Default)]
struct Past {
    health: Mutex<Behaviour>,
    is_probed: AtomicBool,
}

impl Live {
    pub(crate) fn new(endpoint: Endpoint) -> Live {
        Live { endpoint, past: Arc::default() }
    }

    /// The same endpoint with other settings.
    pub(crate) fn with(&self, endpoint: Endpoint) -> Live {
        Live { endpoint, past: Arc::clone(&self.past) }
    }

    pub(crate) fn is_same(&self, other: &Live) -> bool {
        Arc::ptr_eq(&self.past, &other.past)
    }

    fn health(&self) -> MutexGuard<'_, Behaviour> {
        self.past.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has shown lately that it serves the right chain.
    pub(crate) fn is_proven(&self, now: Instant) -> bool {
        self.health().proven_at.is_some_and(|at| now.saturating_duration_since(at) < PROOF_HOLDS)
    }

    pub(crate) fn set_proven(&self, now: Instant) {
        self.health().proven_at = Some(now);
    }

    /// Asks for the proof again before the next question.
    pub(crate) fn set_unproven(&self) {
        self.health().proven_at = None;
    }

    /// Counts a question, and the proof of the chain where that is due before it; or says when there is room.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Instant> {
        self.admit_many(1, now)
    }

    /// The same for questions that are put together.
    pub(crate) fn admit_many(&self, questions: usize, now: Instant) -> Result<(), Instant> {
        let questions = if self.is_proven(now) { questions } else { questions + 1 };
        self.health().quota.take(self.endpoint.rate_limit, questions, now)
    }

    /// Counts a question that another one led to.
    pub(crate) fn charge(&self, now: Instant) {
        self.health().quota.charge(self.endpoint.rate_limit, now);
    }

    /// Why it is left, where it is.
    pub(crate) fn left(&self, now: Instant) -> Option<Reason> {
        let health = self.health();
        let limited = health.quota.is_closed(now).then_some(Reason::Limited);
        health.left.map(|left| left.reason).or(limited)
    }

    /// From when on it may be tried whether it behaves again.
    pub(crate) fn left_until(&self) -> Option<Instant> {
        self.health().left.map(|left| left.until)
    }

    /// It answered. What only a look at the chain can clear stays. True when it had not been well.
    pub(crate) fn worked(&self, now: Instant, took: Duration) -> bool {
        let mut health = self.health();
        let was_unwell = health.strikes > 0;
        let took = took.as_secs_f64();
        health.latency = Some(health.latency.map_or(took, |before| before + ALPHA * (took - before)));
        health.failure -= ALPHA * health.failure;
        health.strikes = 0;
        health.answers += 1;
        if health.lied_at.is_some_and(|at| now.saturating_duration_since(at) > LIES_FORGIVEN_AFTER) {
            (health.lies, health.lied_at) = (0, None);
        }
        if health.left.is_some_and(|left| matches!(left.reason, Reason::Failing | Reason::OtherChain)) {
            health.left = None;
        }
        was_unwell
    }

    /// Leaves it alone, longer each time. False where it is left for as much already.
    pub(crate) fn leave(&self, reason: Reason, now: Instant) -> bool {
        let mut health = self.health();
        health.failed();
        health.proven_at = None;
        // Many questions may fail at one moment; that is one failure.
        if health.left.is_some_and(|left| left.reason >= reason && now < left.until) {
            return false;
        }
        let pause = if reason == Reason::Lying {
            (health.lies, health.lied_at) = (health.lies.saturating_add(1), Some(now));
            doubled(FIRST_PAUSE_OF_A_LIAR, health.lies, LONGEST_PAUSE_OF_A_LIAR)
        } else {
            health.strikes = health.strikes.saturating_add(1);
            doubled(FIRST_PAUSE, health.strikes, LONGEST_PAUSE)
        };
        let was = health.left.map(|left| left.reason);
        // Whatever else is wrong with a liar, it stays one until its time is over.
        let reason = was
            .filter(|_| health.left.is_some_and(|left| now < left.until))
            .map_or(reason, |was| was.max(reason));
        health.left = Some(Left { reason, until: now + pause });
        was != Some(reason)
    }

    /// It asked for peace: for so long, or for longer each time where it does not say. Other reasons stay.
    pub(crate) fn limit(&self, now: Instant, retry_after: Option<Duration>) -> Instant {
        let mut health = self.health();
        let strikes = health.strikes.saturating_add(1);
        let pause = retry_after.unwrap_or_else(|| doubled(FIRST_PAUSE, strikes, Duration::from_secs(30)));
        let was_closed = health.quota.is_closed(now);
        if !was_closed {
            health.strikes = strikes;
            health.failed();
        }
        // Not all processes of a fleet come back at one moment.
        let until = now + pause.min(LONGEST_PEACE).mul_f64(rand::rng().random_range(1.0..1.1));
        health.quota.close_until(until);
        until
    }

    /// It was found to behave: everything is forgiven but the count of its lies.
    pub(crate) fn take_back(&self) {
        let mut health = self.health();
        (health.left, health.strikes, health.misses) = (None, 0, 0);
    }

    /// It is no longer behind.
    pub(crate) fn caught_up(&self) {
        let mut health = self.health();
        if health.left.is_some_and(|left| left.reason == Reason::Lagging) {
            health.left = None;
        }
    }

    /// It did not know what another one has known for long; true when that is a habit.
    pub(crate) fn missed(&self, now: Instant) -> bool {
        let mut health = self.health();
        health.failed();
        if health.missed_at.is_none_or(|at| now.saturating_duration_since(at) > MISSES_FORGIVEN_AFTER) {
            health.misses = 0;
        }
        health.misses += 1;
        health.missed_at = Some(now);
        let is_habit = health.misses >= MISSES;
        if is_habit {
            health.misses = 0;
        }
        is_habit
    }

    /// It told of a head. True when another endpoint should be heard about it, which it should every few seconds: an old
    /// head moves as well as a new one.
    pub(crate) fn saw_head(&self, number: u64, now: Instant) -> bool {
        let mut health = self.health();
        health.head = Some(SeenHead { number, at: now });
        let is_due = health.compared_at.is_some_and(|at| now.saturating_duration_since(at) >= COMPARED_EVERY);
        if is_due || health.compared_at.is_none() {
            health.compared_at = Some(now);
        }
        is_due
    }

    /// The head that it told of within the last moments.
    pub(crate) fn head(&self, now: Instant) -> Option<u64> {
        let head = self.health().head?;
        (now.saturating_duration_since(head.at) < HEAD_FRESH).then_some(head.number)
    }

    /// Its weight as its behaviour leaves it: one that fails often or is slow gets a smaller share.
    pub(crate) fn share(&self, fastest: f64) -> f64 {
        let health = self.health();
        let reliable = (1.0 - health.failure).powi(2).max(0.05);
        // A few milliseconds make no difference.
        let quick =
            health.latency.map_or(1.0, |latency| ((fastest + 0.02) / (latency + 0.02)).clamp(0.25, 1.0));
        f64::from(self.endpoint.weight.max(1)) * reliable * quick
    }

    pub(crate) fn latency(&self) -> Option<f64> {
        self.health().latency
    }

    /// How many questions it may be asked at once; 1 where it takes no batches.
    pub(crate) fn batch_most(&self, now: Instant) -> usize {
        let refused = self.health().batches;
        let refused = refused.filter(|(_, at)| now.saturating_duration_since(*at) < BATCHES_REFUSED_FOR);
        let most = refused.map_or(LARGEST_BATCH, |(most, _)| most);
        match self.endpoint.rate_limit {
            0 => most,
            // A batch of the whole rate would wait for a second in which nobody else asks.
            rate => most.min((rate as usize / 2).max(1)),
        }
    }

    /// It took no batch of that size.
    pub(crate) fn refused_batch_of(&self, questions: usize, now: Instant) {
        let most = (questions / 2).max(1).min(self.batch_most(now));
        self.health().batches = Some((most, now));
    }

    /// What there is to say of it to people.
    pub(crate) fn report(&self, now: Instant) -> Health {
        let (left, head) = (self.left(now), self.head(now));
        let health = self.health();
        let back_at = health.left.map(|left| left.until).or(health.quota.closed_until(now));
        Health {
            host: self.endpoint.host().to_owned(),
            left: left.map(Reason::as_str),
            back_in: back_at.map(|at| at.saturating_duration_since(now)),
            head,
            answers: health.answers,
            failures: health.failures,
            latency: health.latency.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            is_socket: false,
            is_subscribed: false,
        }
    }

    /// True for the one who may look after it.
    pub(crate) fn begin_probing(&self) -> bool {
        !self.past.is_probed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn end_probing(&self) {
        self.past.is_probed.store(false, Ordering::Release);
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.saturating_sub(1).min(10)).min(longest)
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
