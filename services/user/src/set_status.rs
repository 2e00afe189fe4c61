//! An admin, or an operator, suspends somebody or lets them in again. That ends sessions is auth's, by the fact.

use events::users::{StatusChanged, status_changed};
use ids::UserId;
use sqlx::PgPool;

use crate::{
    error::Error,
    model::{Actor, AuditRow, Status, User},
    store,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct StatusAsk {
    pub(crate) actor: Actor,
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    pub(crate) reason: String,
    /// 0 for whichever.
    pub(crate) expected_revision: i64,
}

/// The user as the change left them; what is so already is no change.
pub(crate) async fn set_status(db: &PgPool, ask: &StatusAsk) -> Result<User, Error> {
    let StatusAsk { actor, user_id, status, .. } = *ask;
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
    if status == Status::Suspended {
        if actor.user_id() == Some(user_id) {
            return Err(Error::OwnStanding);
        }
        let is_active_admin = store::is_active_admin(&mut tx, user_id).await?;
        if is_active_admin && !store::has_other_admin(&mut tx, user_id).await? {
            return Err(Error::LastAdmin);
        }
    }
    if standing.status != status.name() {
        let revision = store::update_status(&mut tx, user_id, status).await?;
        let (what, before, after, reason) =
            ("status", standing.status.as_str(), status.name(), ask.reason.as_str());
        store::insert_audit(&mut tx, &AuditRow { user_id, actor, what, before, after, reason, revision })
            .await?;
        let fact = StatusChanged { user_id, status: status.name().to_owned(), revision };
        bus::outbox::put(&mut tx, &status_changed(&fact)).await?;
    }
    let user = store::find_by_id(&mut *tx, user_id).await?.ok_or(Error::Changed)?;
    tx.commit().await?;
    launch::failpoint("user.status_committed");
    Ok(user)
}
