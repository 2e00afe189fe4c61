//! Keeps the copy of a user's status and roles in step with user; who may no longer do something loses the sessions in
//! whose tokens it is written.

use chrono::{DateTime, Utc};
use events::users::{RolesChanged, StatusChanged};
use sqlx::PgConnection;

use crate::{
    error::Error,
    revoke_sessions::{Revocation, tell},
    store,
};

/// Takes a change of status.
pub(crate) async fn follow_status(
    tx: &mut PgConnection,
    fact: &StatusChanged,
    told_at: DateTime<Utc>,
) -> Result<Revocation, Error> {
    let is_newest = store::upsert_status(tx, fact.user_id, &fact.status, fact.revision).await?;
    if fact.status == "active" {
        return Ok(Revocation::default());
    }
    // An older suspension that was lifted since still ended what was open at its time.
    let before = if is_newest { None } else { Some(told_at) };
    let ended = store::revoke_of_user(tx, fact.user_id, before, "suspended").await?;
    tell(tx, fact.user_id, ended, "suspended").await
}

/// Takes a change of roles. What is given reaches its owner at the next refresh; only what is taken away ends sessions.
pub(crate) async fn follow_roles(
    tx: &mut PgConnection,
    fact: &RolesChanged,
    told_at: DateTime<Utc>,
) -> Result<Revocation, Error> {
    let newest = store::upsert_roles(tx, fact.user_id, &fact.roles, fact.revision).await?;
    if !fact.is_reduced {
        return Ok(Revocation::default());
    }
    // What is open has the roles of before, also what was opened while this fact was on its way. If a later change came
    // first, what was opened after it has the roles of that.
    let before = newest.map(|since| since.max(told_at));
    let ended = store::revoke_of_user(tx, fact.user_id, before, "role_removed").await?;
    tell(tx, fact.user_id, ended, "role_removed").await
}
