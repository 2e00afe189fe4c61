//! One role more or one less: the row, the revision, the record and the fact, in the caller's transaction.

use events::users::{RolesChanged, roles_changed};
use ids::UserId;
use sqlx::PgConnection;

use crate::{
    error::Error,
    model::{Actor, AuditRow, Role},
    store,
};

/// A role that is given or taken away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoleChange<'a> {
    pub(crate) user_id: UserId,
    pub(crate) role: Role,
    pub(crate) is_granted: bool,
    pub(crate) actor: Actor,
    pub(crate) reason: &'a str,
}

/// Makes the change; false if it was so already. The user's row is locked.
pub(crate) async fn change_roles(tx: &mut PgConnection, change: RoleChange<'_>) -> Result<bool, Error> {
    let RoleChange { user_id, role, is_granted, actor, reason } = change;
    let before = store::list_roles(&mut *tx, user_id).await?.join(",");
    let is_change = match is_granted {
        true => store::insert_role(tx, user_id, role.name(), actor.user_id()).await?,
        false => store::delete_role(tx, user_id, role).await?,
    };
    if !is_change {
        return Ok(false);
    }
    let roles = store::list_roles(&mut *tx, user_id).await?;
    let revision = store::grow_revision(tx, user_id).await?;
    let after = roles.join(",");
    let row = AuditRow { user_id, actor, what: "roles", before: &before, after: &after, reason, revision };
    store::insert_audit(tx, &row).await?;
    let fact = RolesChanged { user_id, roles, is_reduced: !is_granted, revision };
    bus::outbox::put(tx, &roles_changed(&fact)).await?;
    Ok(true)
}

/// Makes creators of those of these users who are none and from whom nobody took it; says who they are.
pub(crate) async fn grant_creator(tx: &mut PgConnection, users: &[uuid::Uuid]) -> Result<Vec<UserId>, Error> {
    let mut granted = Vec::new();
    if users.is_empty() {
        return Ok(granted);
    }
    for user_id in store::lock_new_creators(tx, users).await? {
        let (role, actor) = (Role::Creator, Actor::Catalog);
        let reason = "a collection of theirs is live";
        let change = RoleChange { user_id, role, is_granted: true, actor, reason };
        if change_roles(tx, change).await? {
            granted.push(user_id);
        }
    }
    Ok(granted)
}
