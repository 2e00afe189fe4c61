//! An admin, or an operator, gives a role or takes it away.

use ids::UserId;
use sqlx::PgPool;

use crate::{
    change_roles::{RoleChange, change_roles},
    error::Error,
    model::{Actor, Role, User},
    store,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct RoleAsk {
    pub(crate) actor: Actor,
    pub(crate) user_id: UserId,
    pub(crate) role: Role,
    pub(crate) is_granted: bool,
    pub(crate) reason: String,
    /// 0 for whichever.
    pub(crate) expected_revision: i64,
}

/// The user as the change left them; what is so already is no change.
pub(crate) async fn set_role(db: &PgPool, ask: &RoleAsk) -> Result<User, Error> {
    let RoleAsk { actor, user_id, role, is_granted, .. } = *ask;
    let mut tx = db.begin().await?;
    store::lock_roles(&mut tx).await?;
    // A token's roles may be as old as the token: what counts is who is an admin now.
    if let Actor::Admin(admin) = actor
        && !store::is_active_admin(&mut tx, admin).await?
    {
        return Err(Error::NotAdmin);
    }
    let standing = store::lock_user(&mut tx, user_id).await?.filter(|standing| !standing.is_deleted());
    let standing = standing.ok_or(Error::NotFound)?;
    if ask.expected_revision != 0 && ask.expected_revision != standing.revision {
        return Err(Error::Stale);
    }
    if role == Role::Admin && !is_granted {
        if actor.user_id() == Some(user_id) {
            return Err(Error::OwnStanding);
        }
        let is_active_admin = store::is_active_admin(&mut tx, user_id).await?;
        if is_active_admin && !store::has_other_admin(&mut tx, user_id).await? {
            return Err(Error::LastAdmin);
        }
    }
    if role == Role::Creator {
        store::withhold_creator(&mut tx, user_id, !is_granted).await?;
    }
    change_roles(&mut tx, RoleChange { user_id, role, is_granted, actor, reason: &ask.reason }).await?;
    let user = store::find_by_id(&mut *tx, user_id).await?.ok_or(Error::Changed)?;
    tx.commit().await?;
    launch::failpoint("user.roles_committed");
    Ok(user)
}
