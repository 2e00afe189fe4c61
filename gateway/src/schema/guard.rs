//! Who may ask for a field: the directive that says it in the schema, and the guard that holds it.
//!
//! Guards refuse early; the services decide for themselves. A field that is nullable carries the directive alone and
//! begins with [`refused`]: the library lets a guard's refusal take the whole answer with it.

use async_graphql::{Context, Error, Guard, Result, TypeDirective};

use super::user::Role;
use crate::{
    error::{UNAUTHENTICATED, coded},
    viewer::{Refused, Viewer},
};

/// Only for somebody who is signed in, and has the role. An admin is a moderator too.
#[TypeDirective(location = "FieldDefinition", location = "Object")]
pub(crate) fn auth(#[graphql(default_with = "Role::User")] requires: Role) {}

/// Refuses whoever lacks the role, before the field looks at anything.
pub(crate) struct Requires(pub(crate) Role);

impl Guard for Requires {
    async fn check(&self, context: &Context<'_>) -> Result<()> {
        refused(context, self.0).map_or(Ok(()), Err)
    }
}

/// The error for an asker who lacks the role; nothing for one who has it.
pub(crate) fn refused(context: &Context<'_>, requires: Role) -> Option<Error> {
    let Some(viewer) = context.data_opt::<Viewer>() else {
        return Some(coded(UNAUTHENTICATED, Refused::Absent.message()));
    };
    let is_enough = is_enough(viewer, requires);
    (!is_enough).then(|| coded(rpc::Code::Forbidden.as_str(), "your roles do not allow this"))
}

/// Whether the viewer's roles hold the one that is required.
pub(crate) fn is_enough(viewer: &Viewer, requires: Role) -> bool {
    let has = |role: &str| viewer.roles.iter().any(|held| held == role);
    match requires {
        // Whoever has a session is a user, whatever else the token names.
        Role::User => true,
        Role::Creator => has("creator"),
        Role::Moderator => has("moderator") || has("admin"),
        Role::Admin => has("admin"),
    }
}
