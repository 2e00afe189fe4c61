//! Where a page ended: a place in an order newest first.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    error::Error,
    model::{Activity, Approval},
};

/// Rows of a page, and whether others follow.
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) has_more: bool,
}

impl<T> Page<T> {
    /// Of rows that were asked for with [`one_more`].
    pub(crate) fn cut(mut rows: Vec<T>, size: usize) -> Page<T> {
        let has_more = rows.len() > size;
        rows.truncate(size);
        Page { rows, has_more }
    }
}

/// One more than asked tells whether there is another page.
pub(crate) fn one_more(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX - 1) + 1
}

/// The last approval that a page showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) block_number: i64,
    pub(crate) log_index: i32,
    pub(crate) id: Uuid,
}

impl Position {
    /// Before every row.
    pub(crate) const START: Position =
        Position { block_number: i64::MAX, log_index: i32::MAX, id: Uuid::max() };

    /// After this row.
    pub(crate) fn after(approval: &Approval) -> Position {
        Position { block_number: approval.block_number, log_index: approval.log_index, id: approval.id }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.block_number, self.log_index, self.id.simple())
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Position, Error> {
        if text.is_empty() {
            return Ok(Position::START);
        }
        let mut parts = text.split('.');
        let (Some(block), Some(log), Some(id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::BadCursor);
        };
        Ok(Position {
            block_number: block.parse().map_err(|_| Error::BadCursor)?,
            log_index: log.parse().map_err(|_| Error::BadCursor)?,
            id: Uuid::try_parse(id).map_err(|_| Error::BadCursor)?,
        })
    }
}

/// The last activity that a page showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: Uuid,
}

impl Moment {
    /// After this row.
    pub(crate) fn after(activity: &Activity) -> Moment {
        Moment { at: activity.created_at, id: activity.id }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Moment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Moment, Error> {
        if text.is_empty() {
            // No row is from later than the column's own last year.
            let at = DateTime::from_timestamp(253_402_300_799, 0).ok_or(Error::BadCursor)?;
            return Ok(Moment { at, id: Uuid::max() });
        }
        let (at, id) = text.split_once('.').ok_or(Error::BadCursor)?;
        let micros = at.parse().map_err(|_| Error::BadCursor)?;
        let at = DateTime::from_timestamp_micros(micros)
            // What the database cannot read is no place either.
            .filter(|at| (0..=253_402_300_799).contains(&at.timestamp()))
            .ok_or(Error::BadCursor)?;
        Ok(Moment { at, id: Uuid::try_parse(id).map_err(|_| Error::BadCursor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
        let position = Position { block_number: 17, log_index: 3, id: Uuid::now_v7() };
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        assert_eq!("".parse::<Position>().unwrap(), Position::START);
        for text in ["1", "1.2", "a.b.c", "1.2.3.4", "1.2.zz"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_read_as_it_was_written_and_nothing_else_is() {
        let moment = Moment {
            at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            id: Uuid::now_v7(),
        };
        assert_eq!(moment.to_string().parse::<Moment>().unwrap(), moment);
        assert!("".parse::<Moment>().is_ok());
        let id = Uuid::now_v7().simple().to_string();
        for text in ["1", "1.2", &format!("x.{id}"), &format!("{}.{id}", i64::MAX), &format!("-1.{id}")] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_row_that_was_asked_for_on_top_is_not_shown() {
        let page = Page::cut(vec![1, 2, 3], 2);
        assert!(page.rows == [1, 2] && page.has_more);
        assert!(!Page::cut(vec![1, 2], 2).has_more);
        assert_eq!(one_more(2), 3);
    }
}
