//! A user's sessions that are alive, the last used first.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use ids::UserId;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{error::Error, model::Session, store};

const PAGE_MAX: usize = 100;

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) session_id: Uuid,
}

/// A page, and whether there is more behind it.
pub(crate) async fn list_sessions(
    db: &PgPool,
    user_id: UserId,
    page_size: i32,
    page_token: &str,
) -> Result<(Vec<Session>, bool), Error> {
    let size = usize::try_from(page_size).ok().filter(|size| (1..=PAGE_MAX).contains(size));
    let size = size.ok_or_else(|| Error::field("page_size", "must be 1 to 100"))?;
    let after = page_token.parse()?;
    // One more than asked tells whether there is another page.
    let asked = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
    let mut sessions = store::list_sessions(db, user_id, after, asked).await?;
    let is_more = sessions.len() > size;
    sessions.truncate(size);
    Ok((sessions, is_more))
}

impl Position {
    /// Before every row; as late as a `timestamptz` goes without infinities of its own.
    fn start() -> Position {
        let latest =
            DateTime::from_timestamp(253_402_300_799, 0).expect("the end of the year 9999 is a time");
        Position { last_used_at: latest, session_id: Uuid::max() }
    }

    /// After this row.
    pub(crate) fn after(session: &Session) -> Position {
        Position { last_used_at: session.last_used_at, session_id: session.session_id.0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.last_used_at.timestamp_micros(), self.session_id.simple())
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Position, Error> {
        if text.is_empty() {
            return Ok(Position::start());
        }
        let read = || {
            let (micros, id) = text.split_once('.')?;
            let last_used_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
            let start = Position::start().last_used_at;
            (last_used_at <= start && last_used_at >= DateTime::UNIX_EPOCH)
                .then_some(Position { last_used_at, session_id: Uuid::try_parse(id).ok()? })
        };
        read().ok_or_else(|| Error::field("page_token", "is not of this list"))
    }
}

#[cfg(test)]
mod tests {
    use chrono::SubsecRound;

    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
        let position = Position { last_used_at: Utc::now().trunc_subsecs(6), session_id: Uuid::now_v7() };
        assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        assert_eq!("".parse::<Position>().unwrap(), Position::start());
        for text in
            ["1", ".", "x.0190", "1.zz", "9999999999999999999.00", "-1.00000000000000000000000000000000"]
        {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
