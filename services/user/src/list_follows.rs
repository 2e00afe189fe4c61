//! A page of followers, or of those whom somebody follows, newest first.

use ids::UserId;
use sqlx::PgPool;

use crate::{
    error::Error,
    find_users::find_users,
    model::{Position, User},
    store::{self, Cache},
};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FollowsAsk {
    pub(crate) user_id: UserId,
    /// Who looks.
    pub(crate) viewer: Option<UserId>,
    /// Who follows the user, or whom the user follows.
    pub(crate) followers: bool,
    pub(crate) page_size: usize,
    pub(crate) before: Position,
}

/// Users with the position of each, how many there are in all, and whether there is another page.
#[derive(Debug, Default)]
pub(crate) struct FollowsPage {
    pub(crate) users: Vec<(User, Position)>,
    pub(crate) total: i32,
    pub(crate) has_next: bool,
}

/// A page; to whoever may not see it, it is empty.
pub(crate) async fn list_follows(db: &PgPool, cache: &Cache, ask: FollowsAsk) -> Result<FollowsPage, Error> {
    let head = store::find_followed(db, ask.user_id).await?.ok_or(Error::NotFound)?;
    let is_follower = match ask.viewer {
        Some(viewer) if head.privacy_level == "followers" => {
            !store::list_is_following(db, viewer, &[ask.user_id.0]).await?.is_empty()
        }
        _ => false,
    };
    if !head.is_seen_by(ask.viewer, ask.user_id, is_follower) {
        return Ok(FollowsPage::default());
    }
    // One more row than the page says whether there is another page.
    let limit = i64::try_from(ask.page_size + 1).unwrap_or(i64::MAX);
    let mut rows = if ask.followers {
        store::list_followers(db, ask.user_id, ask.before, limit).await?
    } else {
        store::list_following(db, ask.user_id, ask.before, limit).await?
    };
    let has_next = rows.len() > ask.page_size;
    rows.truncate(ask.page_size);
    let ids: Vec<UserId> = rows.iter().map(|row| row.other).collect();
    // A follow cannot outlive its users: there is one for each row, in the rows' order.
    let found = find_users(db, cache, &ids).await?;
    let positions = rows.iter().map(|row| Position::after(row.created_at, row.other.0));
    Ok(FollowsPage {
        users: found.into_iter().zip(positions).collect(),
        total: if ask.followers { head.followers_count } else { head.following_count },
        has_next,
    })
}
