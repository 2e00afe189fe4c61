//! Where a page of follows ended: the gateway signs what it passes on.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The last moment that both sides of a comparison with a `timestamptz` can hold.
const END_OF_TIME: i64 = 253_402_300_799_000_000;

/// A place in a list of follows, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    micros: i64,
    pub(crate) id: Uuid,
}

impl Position {
    /// Before everything.
    pub(crate) const START: Position = Position { micros: END_OF_TIME, id: Uuid::max() };

    /// After this row.
    pub(crate) fn after(at: DateTime<Utc>, id: Uuid) -> Position {
        Position { micros: at.timestamp_micros(), id }
    }

    /// When.
    pub(crate) fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros.clamp(0, END_OF_TIME)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.micros, self.id.simple())
    }
}

/// Not a place that a list of ours gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Position, NoPosition> {
        if text.is_empty() {
            return Ok(Position::START);
        }
        let (micros, id) = text.split_once('.').ok_or(NoPosition)?;
        let micros = micros.parse().map_err(|_| NoPosition)?;
        Ok(Position { micros, id: id.parse().map_err(|_| NoPosition)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
        let position = Position { micros: 1_700_000_000_000_001, id: Uuid::now_v7() };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["1", ".", "a.b", "1.2", "1.2.3", "-"] {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }
}
