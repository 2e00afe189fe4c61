//! Where a page of intents ended: a place in the order newest first.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{error::Error, model::Intent};

/// The last row that a page showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) id: Uuid,
}

impl Position {
    /// Before every row; as late as a `timestamptz` goes without infinities of its own.
    pub(crate) fn start() -> Position {
        let latest =
            DateTime::from_timestamp(253_402_300_799, 0).expect("the end of the year 9999 is a time");
        Position { created_at: latest, id: Uuid::max() }
    }

    /// After this row.
    pub(crate) fn after(intent: &Intent) -> Position {
        Position { created_at: intent.created_at, id: intent.intent_id.0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Position, Error> {
        if text.is_empty() {
            return Ok(Position::start());
        }
        let (micros, id) = text.split_once('.').ok_or(Error::BadCursor)?;
        let micros = micros.parse().map_err(|_| Error::BadCursor)?;
        let created_at = DateTime::from_timestamp_micros(micros).ok_or(Error::BadCursor)?;
        Ok(Position { created_at, id: Uuid::try_parse(id).map_err(|_| Error::BadCursor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
        let position = Position { created_at: crate::model::now(), id: Uuid::now_v7() };
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        assert_eq!("".parse::<Position>().unwrap(), Position::start());
        for text in ["1", ".", "x.0190", "1.zz", "9999999999999999999.00"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
