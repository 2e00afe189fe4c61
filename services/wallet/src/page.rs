//! Where a page of approvals ended: a place in the order newest first.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{error::Error, model::Approval};

/// The last row that a page showed.
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
}
