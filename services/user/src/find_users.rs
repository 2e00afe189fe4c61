//! Users by id, from the cache where it has them. Decisions about rights never stand on this: they look themselves.

use std::collections::HashMap;

use ids::UserId;
use sqlx::PgPool;

use crate::{
    error::Error,
    model::User,
    store::{self, Cache},
};

/// Users in the order of the ids, each as often as it is named; unknown ids are left out.
pub(crate) async fn find_users(db: &PgPool, cache: &Cache, ids: &[UserId]) -> Result<Vec<User>, Error> {
    let cached = cache.find_all(ids).await;
    let missing: Vec<UserId> =
        ids.iter().zip(&cached).filter(|(_, user)| user.is_none()).map(|(id, _)| *id).collect();
    if missing.is_empty() {
        return Ok(cached.into_iter().flatten().collect());
    }
    let found = store::list_by_ids(db, &missing).await?;
    cache.put_all(&found).await;
    let known: HashMap<UserId, User> =
        cached.into_iter().flatten().chain(found).map(|user| (user.user_id, user)).collect();
    Ok(ids.iter().filter_map(|id| known.get(id).cloned()).collect())
}

/// Puts what a committed change left into the cache: whoever reads after the answer sees the change.
pub(crate) async fn show_change(db: &PgPool, cache: &Cache, ids: &[UserId]) -> Result<(), Error> {
    if !ids.is_empty() {
        cache.put_all(&store::list_by_ids(db, ids).await?).await;
    }
    Ok(())
}
