//! The attempts to sign in that were found to be the caller's, page by page. An attempt whose signature was not good is
//! nobody's: anybody can name an address.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    error::Error,
    store::{self, Recorded},
};

const PAGE_MAX: i32 = 100;

/// Where a page begins: after this attempt, in the order newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    at: DateTime<Utc>,
    id: Uuid,
}

impl Place {
    /// What follows this attempt.
    pub(crate) fn after(event: &Recorded) -> Place {
        Place { at: event.at, id: event.id }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Place, Error> {
        let read = || {
            let (at, id) = text.split_once('.')?;
            Some(Place {
                at: DateTime::from_timestamp_micros(at.parse().ok()?)?,
                id: Uuid::try_parse(id).ok()?,
            })
        };
        read().ok_or_else(|| Error::field("page_token", "is not one that this list gave"))
    }
}

/// A page of attempts, and whether more follow.
pub(crate) async fn list_login_events(
    db: &PgPool,
    user_id: UserId,
    page_size: i32,
    page_token: &str,
) -> Result<(Vec<Recorded>, bool), Error> {
    if !(1..=PAGE_MAX).contains(&page_size) {
        return Err(Error::field("page_size", "must be 1 to 100"));
    }
    let before = if page_token.is_empty() { None } else { Some(page_token.parse::<Place>()?) };
    let before = before.map(|place| (place.at, place.id));
    let size = usize::try_from(page_size).unwrap_or_default();
    let mut events = store::list_login_events(db, user_id, before, i64::from(page_size) + 1).await?;
    let is_more = events.len() > size;
    events.truncate(size);
    Ok((events, is_more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let place =
            Place { at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(), id: Uuid::now_v7() };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for text in [
            "",
            ".",
            "1",
            "x.y",
            "1.2",
            "99999999999999999999.0",
            "9223372036854775807.00000000000000000000000000000000",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
