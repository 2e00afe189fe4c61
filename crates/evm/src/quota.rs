//! How often an endpoint may be asked: at most so many questions in any one second, and not before it said.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(1);
/// More than anybody asks of one endpoint in a second, and little to remember.
const LARGEST: u32 = 10_000;

/// What was asked within the last second.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    asked: VecDeque<Instant>,
    closed_until: Option<Instant>,
}

impl Quota {
    /// Counts so many questions that belong together, or says when there is room for them. A rate of 0 is no limit.
    pub(crate) fn take(&mut self, rate: u32, questions: usize, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.closed_until.filter(|until| now < *until) {
            return Err(until);
        }
        self.closed_until = None;
        if rate == 0 {
            self.asked.clear();
            return Ok(());
        }
        while self.asked.front().is_some_and(|asked| *asked + WINDOW <= now) {
            self.asked.pop_front();
        }
        let rate = rate.min(LARGEST) as usize;
        let questions = questions.min(rate);
        let too_many = (self.asked.len() + questions).saturating_sub(rate);
        if let Some(last) = too_many.checked_sub(1) {
            // So many have to leave the window first.
            return Err(self.asked.get(last).map_or(now, |asked| *asked + WINDOW));
        }
        self.asked.extend(std::iter::repeat_n(now, questions));
        Ok(())
    }

    /// Counts a question that cannot wait.
    pub(crate) fn charge(&mut self, rate: u32, now: Instant) {
        if rate > 0 {
            self.asked.push_back(now);
        }
    }

    /// Takes no question before then.
    pub(crate) fn close_until(&mut self, until: Instant) {
        self.closed_until = Some(self.closed_until.map_or(until, |closed| closed.max(until)));
    }

    /// Whether the endpoint itself asked for peace.
    pub(crate) fn is_closed(&self, now: Instant) -> bool {
        self.closed_until(now).is_some()
    }

    /// Until when it asked for peace, where that is not over.
    pub(crate) fn closed_until(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_no_second_are_there_more_questions_than_the_rate_and_none_is_wasted() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        let mut taken = Vec::new();
        for millis in 0..5_000 {
            let now = start + Duration::from_millis(millis);
            if quota.take(7, 1, now).is_ok() {
                taken.push(now);
            }
        }
        assert_eq!(taken.len(), 35);
        for window in taken.windows(8) {
            assert!(window[7] - window[0] >= WINDOW);
        }
    }

    #[test]
    fn it_says_when_there_is_room_and_there_is() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        assert!(quota.take(1, 1, start).is_ok());
        let free = quota.take(1, 1, start + Duration::from_millis(400)).unwrap_err();
        assert_eq!(free, start + WINDOW);
        assert!(quota.take(1, 1, free).is_ok());
        // A rate that was lowered counts what was asked before.
        let mut lowered = Quota::default();
        (0..5).for_each(|n| lowered.take(5, 1, start + Duration::from_millis(n)).unwrap());
        assert_eq!(
            lowered.take(2, 1, start + Duration::from_millis(9)),
            Err(start + WINDOW + Duration::from_millis(3))
        );
        assert!((0..100_000).all(|_| lowered.take(0, 1, start).is_ok()));
    }

    #[test]
    fn questions_that_belong_together_wait_for_room_for_all() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        assert!(quota.take(3, 2, start).is_ok());
        let later = start + Duration::from_millis(100);
        assert_eq!(quota.take(3, 2, later), Err(start + WINDOW));
        assert!(quota.take(3, 1, later).is_ok());
        quota.charge(3, later);
        assert_eq!(quota.take(3, 1, later), Err(start + WINDOW));
        assert!(
            Quota::default().take(1, 2, start).is_ok(),
            "a rate that is too small for both lets them pass alone"
        );
    }

    #[test]
    fn an_endpoint_that_asks_for_peace_is_given_it() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        let until = start + Duration::from_secs(3);
        quota.close_until(until);
        quota.close_until(start + Duration::from_secs(1));
        assert!(quota.is_closed(start) && !quota.is_closed(until));
        assert_eq!(quota.take(0, 1, start), Err(until));
        assert!(quota.take(0, 1, until).is_ok());
    }
}
