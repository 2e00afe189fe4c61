//! Follows and unfollows. The counters change in the same transaction, by what the rows really did: they cannot drift.

use ids::UserId;
use sqlx::PgPool;

use crate::{error::Error, model::User, store};

/// The user at the other end. Asking for what is so already changes nothing.
pub(crate) async fn set_follow(
    db: &PgPool,
    follower: UserId,
    other: UserId,
    is_following: bool,
) -> Result<User, Error> {
    if follower == other {
        return Err(Error::Oneself);
    }
    let both = [follower.0, other.0];
    let mut tx = db.begin().await?;
    let statuses = store::lock_statuses(&mut tx, &both).await?;
    let status = |id: UserId| statuses.iter().find(|(of, _)| *of == id.0).map(|(_, status)| status.as_str());
    // Whoever is gone can still be let go of.
    if status(other).is_none_or(|status| is_following && status == "deleted") {
        return Err(Error::NotFound);
    }
    if status(follower).ok_or(Error::NotFound)? != "active" {
        return Err(Error::Suspended);
    }
    // In order of id: two who follow each other at the same time must not wait in a circle.
    store::lock_stats(&mut tx, &both).await?;
    if is_following {
        if store::insert_follow(&mut tx, follower, other).await? {
            store::count_follow(&mut tx, follower, other, 1).await?;
        }
    } else if store::delete_follow(&mut tx, follower, other).await? {
        store::count_follow(&mut tx, follower, other, -1).await?;
    }
    let user = store::find_by_id(&mut *tx, other).await?.ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(user)
}
