//! What a user may do: status and roles, and who may change them.

use ids::UserId;

/// A role that can be given and taken away; everybody is a `user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Creator,
    Moderator,
    Admin,
}

impl Role {
    /// By its name.
    pub(crate) fn find(name: &str) -> Option<Role> {
        [Role::Creator, Role::Moderator, Role::Admin].into_iter().find(|role| role.name() == name)
    }

    /// As it is stored and told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Creator => "creator",
            Role::Moderator => "moderator",
            Role::Admin => "admin",
        }
    }
}

/// What somebody can set; `deleted` is no way out of anything and cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Suspended,
}

impl Status {
    /// By its name.
    pub(crate) fn find(name: &str) -> Option<Status> {
        [Status::Active, Status::Suspended].into_iter().find(|status| status.name() == name)
    }

    /// As it is stored and told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Suspended => "suspended",
        }
    }
}

/// Status and revision of a user, under the lock of their row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: String,
    pub(crate) revision: i64,
}

impl Standing {
    /// Whether they are gone for good.
    pub(crate) fn is_deleted(&self) -> bool {
        self.status == "deleted"
    }
}

/// Who changes what somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A person with the role.
    Admin(UserId),
    /// Whoever runs the fleet, from the command line.
    Operator,
    /// The chain's word.
    Catalog,
}

impl Actor {
    /// As the record names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Actor::Admin(_) => "admin",
            Actor::Operator => "operator",
            Actor::Catalog => "catalog",
        }
    }

    /// The person, where it is one.
    pub(crate) fn user_id(self) -> Option<UserId> {
        match self {
            Actor::Admin(user_id) => Some(user_id),
            Actor::Operator | Actor::Catalog => None,
        }
    }
}

/// One line of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditRow<'a> {
    pub(crate) user_id: UserId,
    pub(crate) actor: Actor,
    /// `roles` or `status`.
    pub(crate) what: &'static str,
    pub(crate) before: &'a str,
    pub(crate) after: &'a str,
    pub(crate) reason: &'a str,
    /// That the change led to.
    pub(crate) revision: i64,
}
