//! Facts about users, from user.

use ids::UserId;
use serde::{Deserialize, Serialize};

use crate::{Fact, Message, exchange};

/// `user.status_changed`: active, suspended or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChanged {
    /// Who.
    pub user_id: UserId,
    /// `active`, `suspended`, `deleted`.
    pub status: String,
    /// Grows with every change of this user.
    pub revision: i64,
}

impl Fact for StatusChanged {
    const TYPE: &'static str = "vitrine.users.status-changed.v1";
    const SOURCE: &'static str = "user";
    const EXCHANGE: &'static str = exchange::USERS;
}

/// The message for one change of status.
pub fn status_changed(fact: &StatusChanged) -> Message {
    Message::new(format!("user/{}/{}", fact.user_id, fact.revision), "user.status_changed".to_owned(), fact)
        .of_revision(fact.user_id, fact.revision)
}

/// `user.roles_changed`: what a user may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolesChanged {
    /// Who.
    pub user_id: UserId,
    /// All roles now.
    pub roles: Vec<String>,
    /// Whether a role was taken away: only that ends sessions.
    pub is_reduced: bool,
    /// Grows with every change of this user.
    pub revision: i64,
}

impl Fact for RolesChanged {
    const TYPE: &'static str = "vitrine.users.roles-changed.v1";
    const SOURCE: &'static str = "user";
    const EXCHANGE: &'static str = exchange::USERS;
}

/// The message for one change of roles.
pub fn roles_changed(fact: &RolesChanged) -> Message {
    Message::new(format!("user/{}/{}", fact.user_id, fact.revision), "user.roles_changed".to_owned(), fact)
        .of_revision(fact.user_id, fact.revision)
}
