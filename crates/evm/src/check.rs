//! Whether an answer fits its question. What does not is nobody's answer, however well it is formed.

use std::collections::HashSet;

use alloy::rpc::types::{Filter, Log};
use serde::de::DeserializeOwned;

use crate::wire::Form;

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Yes,
    /// It may be so; another endpoint may know more.
    Doubt,
    /// It cannot be so.
    Lie(&'static str),
}

impl Fit {
    /// Yes where it holds.
    pub(crate) fn only_if(holds: bool, else_lie: &'static str) -> Fit {
        if holds { Fit::Yes } else { Fit::Lie(else_lie) }
    }
}

/// How the answer to a question is judged.
pub(crate) struct Check<'a, T> {
    pub(crate) fit: &'a (dyn Fn(&T) -> Fit + Send + Sync),
    /// Set for questions about the head: its number.
    pub(crate) head: Option<fn(&T) -> u64>,
    /// Set for questions that an endpoint may know nothing about: the height of what another one knew.
    pub(crate) height: Option<fn(&T) -> Option<u64>>,
    /// How it is written and read.
    pub(crate) form: Form<T>,
    /// How many questions it is for whoever counts them.
    pub(crate) questions: usize,
}

impl<'a, T: DeserializeOwned> Check<'a, T> {
    /// Anything that can be read is an answer.
    pub(crate) fn none() -> Check<'a, T> {
        Check::by(&|_| Fit::Yes)
    }

    pub(crate) fn by(fit: &'a (dyn Fn(&T) -> Fit + Send + Sync)) -> Check<'a, T> {
        Check { fit, head: None, height: None, form: Form::single(), questions: 1 }
    }

    /// An answer that may be "there is none".
    pub(crate) fn found_by(
        fit: &'a (dyn Fn(&T) -> Fit + Send + Sync),
        height: fn(&T) -> Option<u64>,
    ) -> Check<'a, T> {
        Check { height: Some(height), ..Check::by(fit) }
    }

    pub(crate) fn head(head: fn(&T) -> u64) -> Check<'a, T> {
        Check { head: Some(head), ..Check::none() }
    }
}

/// Logs are of the filter's contracts, topics and blocks, and each has a place of its own.
pub(crate) fn logs_fit(filter: &Filter, logs: &[Log]) -> Fit {
    let mut places = HashSet::with_capacity(logs.len());
    for log in logs {
        if log.removed {
            return Fit::Lie("a log of the chain is one that was taken back");
        }
        let (Some(block), Some(index)) = (log.block_hash, log.log_index) else {
            return Fit::Lie("a log has no place in the chain");
        };
        if !places.insert((block, index)) {
            return Fit::Lie("two logs have the same place");
        }
        let is_in_block = match filter.get_block_hash() {
            Some(hash) => hash == block,
            None => {
                let number = log.block_number.unwrap_or(u64::MAX);
                filter.get_from_block().is_none_or(|from| from <= number)
                    && filter.get_to_block().is_none_or(|to| number <= to)
            }
        };
        if !is_in_block || !filter.matches(&log.inner) {
            return Fit::Lie("a log was not asked for");
        }
    }
    Fit::Yes
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, LogData};

    use super::*;

    fn log(block: u64, index: u64, address: u8, topic: u8) -> Log {
        let data = LogData::new_unchecked(vec![B256::repeat_byte(topic)], Default::default());
        Log {
            inner: alloy::primitives::Log { address: Address::repeat_byte(address), data },
            block_hash: Some(B256::repeat_byte(u8::try_from(block).unwrap())),
            block_number: Some(block),
            log_index: Some(index),
            ..Log::default()
        }
    }

    #[test]
    fn logs_are_those_of_the_filter_and_each_is_there_once() {
        let filter = Filter::new()
            .from_block(5)
            .to_block(9)
            .address(Address::repeat_byte(1))
            .event_signature(B256::repeat_byte(7));
        let fits = |logs: &[Log]| logs_fit(&filter, logs) == Fit::Yes;
        assert!(fits(&[]) && fits(&[log(5, 0, 1, 7), log(5, 1, 1, 7), log(9, 0, 1, 7)]));
        for (what, wrong) in [
            ("twice", vec![log(5, 0, 1, 7), log(5, 0, 1, 7)]),
            ("before the range", vec![log(4, 0, 1, 7)]),
            ("after the range", vec![log(10, 0, 1, 7)]),
            ("another contract", vec![log(5, 0, 2, 7)]),
            ("another event", vec![log(5, 0, 1, 8)]),
            ("taken back", vec![Log { removed: true, ..log(5, 0, 1, 7) }]),
            ("nowhere", vec![Log { block_hash: None, ..log(5, 0, 1, 7) }]),
        ] {
            assert!(!fits(&wrong), "{what}");
        }
        let by_hash = Filter::new().at_block_hash(B256::repeat_byte(5));
        assert_eq!(logs_fit(&by_hash, &[log(5, 0, 1, 7)]), Fit::Yes);
        assert_ne!(logs_fit(&by_hash, &[log(6, 0, 1, 7)]), Fit::Yes);
    }
}
