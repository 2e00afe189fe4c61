//! Which endpoint is asked next: by standing, then by priority, then drawn by what its behaviour leaves of its weight.

use std::{sync::Arc, time::Instant};

use rand::Rng;

use crate::{
    live::{Live, Reason},
    node::Inner,
};

/// An endpoint that may still be asked during a call.
pub(crate) struct Candidate {
    pub(crate) live: Arc<Live>,
    /// Why it was left before this call began, where it was.
    pub(crate) left: Option<Reason>,
    /// How often this call asked it.
    pub(crate) times: u32,
}

/// What can be done now.
pub(crate) enum Next {
    Ask(Candidate),
    /// All that remain are asked too much; there is room then.
    Wait(Instant),
    Nobody,
}

impl Inner {
    /// All endpoints. Those that were left come last, so that a call is never refused unheard, and liars very last.
    pub(crate) fn candidates(&self, now: Instant) -> Vec<Candidate> {
        let endpoints = self.all();
        let fastest =
            endpoints.iter().filter_map(|live| live.latency()).min_by(f64::total_cmp).unwrap_or(0.0);
        let mut rng = rand::rng();
        let mut drawn: Vec<_> = endpoints
            .into_iter()
            .map(|live| {
                // The smallest of exponential draws falls on each endpoint as often as its share says.
                let draw = -rng.random_range(f64::EPSILON..1.0).ln() / live.share(fastest);
                // One that is merely asked too much comes by itself when there is room.
                let left = live.left(now).filter(|reason| *reason != Reason::Limited);
                let order = (left.is_some(), left == Some(Reason::Lying), left, live.endpoint.priority);
                (order, draw, Candidate { live, left, times: 0 })
            })
            .collect();
        drawn.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        drawn.into_iter().map(|(.., candidate)| candidate).collect()
    }
}

/// Takes out the first that may be asked now; its question is counted. One that was left is asked when none of the good
/// ones has room before the deadline: late is better than wrong.
pub(crate) fn next(
    candidates: &mut Vec<Candidate>,
    questions: usize,
    now: Instant,
    deadline: Instant,
) -> Next {
    let mut soonest: Option<Instant> = None;
    for is_left in [false, true] {
        if soonest.is_some_and(|soonest| soonest < deadline) {
            break;
        }
        for index in 0..candidates.len() {
            if candidates[index].left.is_some() != is_left {
                continue;
            }
            match candidates[index].live.admit_many(questions, now) {
                Ok(()) => return Next::Ask(candidates.remove(index)),
                Err(free) => soonest = Some(soonest.map_or(free, |soonest| soonest.min(free))),
            }
        }
    }
    soonest.map_or(Next::Nobody, Next::Wait)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Endpoint;

    fn candidate(left: Option<Reason>, now: Instant, closed: Option<Duration>) -> Candidate {
        let live = Live::new(Endpoint::parse("http://127.0.0.1:1", "none", 0, 1).unwrap());
        if let Some(closed) = closed {
            live.limit(now, Some(closed));
        }
        Candidate { live: Arc::new(live), left, times: 0 }
    }

    #[test]
    fn a_good_one_without_room_is_waited_for_before_one_that_was_left_is_asked() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let candidates = |liar_closed| {
            vec![candidate(None, now, Some(2 * second)), candidate(Some(Reason::Lying), now, liar_closed)]
        };
        assert!(
            matches!(next(&mut candidates(None), 1, now, now + 5 * second), Next::Wait(free) if free > now)
        );
        let hurried = next(&mut candidates(None), 1, now, now + second);
        assert!(
            matches!(hurried, Next::Ask(liar) if liar.left == Some(Reason::Lying)),
            "nobody else is in time"
        );
        assert!(matches!(next(&mut candidates(Some(second)), 1, now, now + second), Next::Wait(_)));
        assert!(matches!(next(&mut Vec::new(), 1, now, now + second), Next::Nobody));
    }

    #[test]
    fn liars_come_last() {
        let place = |port: u16| Endpoint::parse(&format!("http://127.0.0.1:{port}"), "none", 0, 1).unwrap();
        let node = crate::Node::new(ids::ChainId::new(1).unwrap(), (1..6).map(place).collect());
        let (now, all) = (Instant::now(), node.inner.all());
        for (live, reason) in
            all.iter().zip([Reason::Lying, Reason::OtherChain, Reason::Failing, Reason::Lagging])
        {
            live.leave(reason, now);
        }
        let order: Vec<_> = node.inner.candidates(now).into_iter().map(|candidate| candidate.left).collect();
        let last = [Reason::Lagging, Reason::Failing, Reason::OtherChain, Reason::Lying].map(Some);
        assert_eq!(order[0], None);
        assert_eq!(order[1..], last);
    }
}
