//! Positions in the delivery log, and the deliveries themselves.

use std::{fmt, str::FromStr};

/// A Redis stream id: milliseconds and a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct EntryId {
    pub(crate) millis: u64,
    pub(crate) sequence: u64,
}

impl FromStr for EntryId {
    type Err = ();

    fn from_str(text: &str) -> Result<EntryId, ()> {
        let (millis, sequence) = text.split_once('-').ok_or(())?;
        Ok(EntryId { millis: millis.parse().map_err(|_| ())?, sequence: sequence.parse().map_err(|_| ())? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

/// A place in the log. The epoch changes when the log was lost, so that an old place is never taken for a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) entry: EntryId,
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Position, ()> {
        let (epoch, entry) = text.split_once(':').ok_or(())?;
        let is_epoch =
            !epoch.is_empty() && epoch.len() <= 64 && epoch.bytes().all(|b| b.is_ascii_alphanumeric());
        if !is_epoch {
            return Err(());
        }
        Ok(Position { epoch: epoch.to_owned(), entry: entry.parse()? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.entry)
    }
}

/// What the log looks like now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) epoch: String,
    pub(crate) first: Option<EntryId>,
    pub(crate) last: EntryId,
    /// Whether anything has ever been trimmed away.
    pub(crate) is_trimmed: bool,
}

impl Extent {
    /// Whether everything after `position` is still in the log.
    pub(crate) fn holds_all_after(&self, position: &Position) -> bool {
        if self.epoch != position.epoch || position.entry > self.last {
            return false;
        }
        !self.is_trimmed
            || position.entry == self.last
            || self.first.is_some_and(|first| position.entry >= first)
    }
}

/// One message as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) entry: EntryId,
    pub(crate) topic: String,
    pub(crate) event_id: String,
    pub(crate) envelope_json: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(first: u64, last: u64, is_trimmed: bool) -> Extent {
        let at = |millis| EntryId { millis, sequence: 0 };
        Extent { epoch: "e1".into(), first: Some(at(first)), last: at(last), is_trimmed }
    }

    fn at(epoch: &str, millis: u64) -> Position {
        Position { epoch: epoch.into(), entry: EntryId { millis, sequence: 0 } }
    }

    #[test]
    fn a_position_is_read_and_written_back() {
        let text = "0123abcd:1700000000000-3";
        assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        for wrong in ["", "1-0", ":1-0", "e:", "e:1", "e:1-", "e:-1", "é:1-0"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_epoch_is_never_inside_the_window() {
        assert!(!extent(1, 9, false).holds_all_after(&at("e2", 5)));
    }

    #[test]
    fn a_position_before_a_trimmed_start_is_outside() {
        assert!(!extent(4, 9, true).holds_all_after(&at("e1", 3)));
        assert!(extent(4, 9, true).holds_all_after(&at("e1", 4)));
        assert!(extent(4, 9, true).holds_all_after(&at("e1", 9)));
    }

    #[test]
    fn an_untrimmed_log_holds_everything_from_its_birth() {
        assert!(extent(4, 9, false).holds_all_after(&at("e1", 0)));
    }

    #[test]
    fn a_position_of_the_future_is_refused() {
        assert!(!extent(4, 9, false).holds_all_after(&at("e1", 10)));
    }
}
