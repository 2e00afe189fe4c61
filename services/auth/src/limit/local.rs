//! The buckets of one process. Each key has two: a whole one, which is never stricter than the shared one in Redis, and
//! a half one, which decides while Redis is away. Both are filled up by whatever is granted at any time, so that nobody
//! begins anew when Redis goes or comes back empty.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// The whole bucket grants a little more than the shared one: their clocks are two, and the shared one is to decide.
const LENIENCE: Duration = Duration::from_secs(2);
/// Keys of a generation; two of them are kept.
const KEYS_MAX: usize = 20_000;
/// One refusal in so long is recorded.
const RECORDED_EVERY: Duration = Duration::from_secs(10);

/// A bucket is the time at which it is full again; absent, it is full.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    whole: Option<Instant>,
    half: Option<Instant>,
    recorded: Option<Instant>,
}

/// Buckets by key, bounded: when the young generation is full it becomes the old one, and the old one is forgotten.
/// Who was there since is carried over, so only the least recently seen go.
#[derive(Debug, Default)]
pub(super) struct Local {
    young: HashMap<String, Pair>,
    old: HashMap<String, Pair>,
}

impl Local {
    pub(super) fn take_whole(&mut self, key: &str, per_minute: u32, now: Instant) -> Result<(), Duration> {
        take(&mut self.pair(key).whole, MINUTE / per_minute, MINUTE + LENIENCE, now)
    }

    pub(super) fn give_back(&mut self, key: &str, per_minute: u32) {
        let whole = &mut self.pair(key).whole;
        *whole = whole.and_then(|full_at| full_at.checked_sub(MINUTE / per_minute));
    }

    pub(super) fn take_half(&mut self, key: &str, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let step = 2 * MINUTE / per_minute;
        take(&mut self.pair(key).half, step, MINUTE.max(step), now)
    }

    /// Takes down what Redis granted. It may be twice what the half bucket holds, which is then empty and no more.
    pub(super) fn note_half(&mut self, key: &str, per_minute: u32, now: Instant) {
        let step = 2 * MINUTE / per_minute;
        let half = &mut self.pair(key).half;
        let full_at = half.map_or(now, |at| at.max(now)) + step;
        *half = Some(full_at.min(now + MINUTE.max(step)));
    }

    /// Whether nobody with this key was told no in the last seconds.
    pub(super) fn is_first_refusal(&mut self, key: &str, now: Instant) -> bool {
        let recorded = &mut self.pair(key).recorded;
        let is_first = recorded.is_none_or(|at| now >= at + RECORDED_EVERY);
        if is_first {
            *recorded = Some(now);
        }
        is_first
    }

    fn pair(&mut self, key: &str) -> &mut Pair {
        if !self.young.contains_key(key) {
            let pair = self.old.remove(key).unwrap_or_default();
            if self.young.len() >= KEYS_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key.to_owned(), pair);
        }
        self.young.entry(key.to_owned()).or_default()
    }
}

/// Takes one from a bucket that gets one every `step` and holds `depth` worth of them, or says how long there is none.
fn take(bucket: &mut Option<Instant>, step: Duration, depth: Duration, now: Instant) -> Result<(), Duration> {
    let full_at = bucket.map_or(now, |at| at.max(now)) + step;
    match full_at.checked_duration_since(now + depth) {
        Some(wait) if !wait.is_zero() => Err(wait),
        _ => {
            *bucket = Some(full_at);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: u32 = 10;

    fn granted(local: &mut Local, now: Instant) -> usize {
        (0..1000).filter(|_| local.take_half("ip", TEN, now).is_ok()).count()
    }

    #[test]
    fn the_half_bucket_grants_half_at_once_and_half_in_a_minute() {
        let (mut local, now) = (Local::default(), Instant::now());
        assert_eq!(granted(&mut local, now), 5);
        assert_eq!(local.take_half("ip", TEN, now), Err(Duration::from_secs(12)));
        assert_eq!(granted(&mut local, now + Duration::from_secs(11)), 0);
        assert_eq!(granted(&mut local, now + Duration::from_secs(24)), 2);
        assert_eq!(granted(&mut local, now + Duration::from_secs(3600)), 5, "it never holds more");
    }

    #[test]
    fn whoever_got_everything_from_redis_gets_nothing_from_the_half_bucket() {
        let (mut local, now) = (Local::default(), Instant::now());
        for _ in 0..TEN {
            local.take_whole("ip", TEN, now).unwrap();
            local.note_half("ip", TEN, now);
        }
        assert_eq!(granted(&mut local, now), 0);
        assert_eq!(granted(&mut local, now + Duration::from_secs(12)), 1, "and waits no longer for that");
        assert!(local.take_whole("ip", TEN, now).is_err(), "nor does an empty Redis begin anew");
    }

    #[test]
    fn what_redis_refused_is_given_back() {
        let (mut local, now) = (Local::default(), Instant::now());
        for _ in 0..1000 {
            local.take_whole("ip", TEN, now).unwrap();
            local.give_back("ip", TEN);
        }
    }

    #[test]
    fn a_limit_of_one_is_one() {
        let (mut local, now) = (Local::default(), Instant::now());
        assert!(local.take_half("ip", 1, now).is_ok());
        assert!(local.take_half("ip", 1, now).is_err());
        assert!(local.take_half("ip", 1, now + Duration::from_secs(120)).is_ok());
    }

    #[test]
    fn the_whole_bucket_grants_a_twentieth_more_at_most() {
        for per_minute in [1, 7, 10, 20, 60, 100_000] {
            let (mut local, now) = (Local::default(), Instant::now());
            let taken = (0..200_000).take_while(|_| local.take_whole("ip", per_minute, now).is_ok()).count();
            let taken = u32::try_from(taken).unwrap();
            assert!(taken >= per_minute && taken <= per_minute + per_minute / 20, "{taken} of {per_minute}");
        }
    }

    #[test]
    fn many_keys_take_bounded_room_and_those_in_use_are_kept() {
        let (mut local, now) = (Local::default(), Instant::now());
        assert_eq!(granted(&mut local, now), 5);
        for n in 0..5 * KEYS_MAX {
            local.take_half(&n.to_string(), TEN, now).unwrap();
            if n % 1000 == 0 {
                assert_eq!(granted(&mut local, now), 0, "its bucket is still empty");
            }
        }
        assert!(local.young.len() + local.old.len() <= 2 * KEYS_MAX);
    }

    #[test]
    fn of_the_refusals_in_ten_seconds_one_is_recorded() {
        let (mut local, now) = (Local::default(), Instant::now());
        let mut is_first = |seconds| local.is_first_refusal("ip", now + Duration::from_secs(seconds));
        assert_eq!([0, 0, 9, 10, 11].map(&mut is_first), [true, false, false, true, false]);
    }
}
