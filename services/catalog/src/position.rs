//! Where a page ended: the place of its last row in the order of the list. The gateway signs what it passes on.

use std::{fmt, str::FromStr};

use amounts::U256;
use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use ids::{Address, TokenId};
use uuid::Uuid;

use crate::{
    error::Error,
    model::{Activity, Collection, Holding, Order, Token},
};

/// How many rows a page has: 1 to 100.
pub(crate) fn page_size(asked: i32) -> Result<usize, Error> {
    match asked {
        1..=100 => Ok(asked.unsigned_abs() as usize),
        _ => Err(Error::field("page_size", "must be between 1 and 100")),
    }
}

/// Cuts the row that only says that there is another page.
pub(crate) fn cut<T>(mut rows: Vec<T>, page_size: usize) -> (Vec<T>, bool) {
    let has_next = rows.len() > page_size;
    rows.truncate(page_size);
    (rows, has_next)
}

/// In a list of collections or of orders, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Newest {
    micros: i64,
    pub(crate) id: Uuid,
}

/// In a list of activities, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    micros: i64,
    pub(crate) block_number: i64,
    pub(crate) log_index: i64,
    pub(crate) batch_index: i64,
    pub(crate) id: Uuid,
}

/// In a list of tokens, by collection and number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    pub(crate) collection: Uuid,
    pub(crate) number: BigDecimal,
}

/// In a list of owners, by address. The empty one comes before the zero address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct After(pub(crate) Vec<u8>);

/// The last moment that both sides of a comparison with a `timestamptz` can hold.
const END_OF_TIME: i64 = 253_402_300_799_000_000;

fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros.clamp(0, END_OF_TIME)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

impl Newest {
    /// After this row.
    pub(crate) fn after(row: &Collection) -> Newest {
        Newest { micros: row.created_at.timestamp_micros(), id: row.id }
    }

    /// After this order.
    pub(crate) fn after_order(row: &Order) -> Newest {
        Newest { micros: row.created_at.timestamp_micros(), id: row.id }
    }

    /// When.
    pub(crate) fn at(&self) -> DateTime<Utc> {
        moment(self.micros)
    }
}

impl Place {
    /// After this row.
    pub(crate) fn after(row: &Activity) -> Place {
        Place {
            micros: row.occurred_at.timestamp_micros(),
            block_number: row.block_number,
            log_index: row.log_index,
            batch_index: row.batch_index,
            id: row.id,
        }
    }

    /// When.
    pub(crate) fn at(&self) -> DateTime<Utc> {
        moment(self.micros)
    }
}

impl Number {
    /// After this row.
    pub(crate) fn after(row: &Token) -> String {
        format!("{}.{}", row.collection_id.simple(), row.token_number)
    }
}

impl After {
    /// After this row.
    pub(crate) fn after(row: &Holding) -> String {
        row.owner.to_lower()
    }
}

impl fmt::Display for Newest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.micros, self.id.simple())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { micros, block_number, log_index, batch_index, id } = self;
        write!(f, "{micros}.{block_number}.{log_index}.{batch_index}.{}", id.simple())
    }
}

/// The parts of a position; another number of them is no position of this list.
fn parts<const N: usize>(text: &str) -> Result<[&str; N], Error> {
    text.split('.').collect::<Vec<_>>().try_into().map_err(|_| Error::BadCursor)
}

fn read<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::BadCursor)
}

impl FromStr for Newest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Newest, Error> {
        if text.is_empty() {
            return Ok(Newest { micros: END_OF_TIME, id: Uuid::max() });
        }
        let [micros, id] = parts(text)?;
        Ok(Newest { micros: read(micros)?, id: read(id)? })
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Place, Error> {
        if text.is_empty() {
            let (block_number, log_index, batch_index) = (i64::MAX, i64::MAX, i64::MAX);
            return Ok(Place { micros: END_OF_TIME, block_number, log_index, batch_index, id: Uuid::max() });
        }
        let [micros, block, log, batch, id] = parts(text)?;
        Ok(Place {
            micros: read(micros)?,
            block_number: read(block)?,
            log_index: read(log)?,
            batch_index: read(batch)?,
            id: read(id)?,
        })
    }
}

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Number, Error> {
        if text.is_empty() {
            return Ok(Number { collection: Uuid::nil(), number: BigDecimal::from(-1) });
        }
        let [collection, number] = parts(text)?;
        let number: U256 = read::<TokenId>(number)?.number();
        Ok(Number { collection: read(collection)?, number: amounts::to_decimal(number) })
    }
}

impl FromStr for After {
    type Err = Error;

    fn from_str(text: &str) -> Result<After, Error> {
        if text.is_empty() {
            return Ok(After(Vec::new()));
        }
        Ok(After(read::<Address>(text)?.as_slice().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
        let place = Place {
            micros: 1_700_000_000_000_001,
            block_number: 17,
            log_index: 3,
            batch_index: 1,
            id: Uuid::now_v7(),
        };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        let newest = Newest { micros: 5, id: Uuid::now_v7() };
        assert_eq!(newest.to_string().parse::<Newest>().unwrap(), newest);
        for text in ["1", "1.2", "a.b", "1.2.3.4.5", "1.2.3.4.5.6", "-", ".", "0x00"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
            assert!(text.parse::<Newest>().is_err(), "{text}");
            assert!(text.parse::<Number>().is_err(), "{text}");
            assert!(text.parse::<After>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_has_one_to_a_hundred_rows() {
        assert!(page_size(0).is_err() && page_size(-1).is_err() && page_size(101).is_err());
        assert_eq!((page_size(1).unwrap(), page_size(100).unwrap()), (1, 100));
        assert_eq!(cut(vec![1, 2, 3], 2), (vec![1, 2], true));
        assert_eq!(cut(vec![1, 2], 2), (vec![1, 2], false));
    }
}
