//! Roles and suspension, for admins.

use async_graphql::{Context, InputObject, Object, Result, Union};
use proto::user::v1::{self as pb, SetRoleRequest, SetStatusRequest, set_role_request::Who};
use tonic::Status;

use super::{
    guard::{Requires, auth},
    problem::{self, ConflictProblem, ForbiddenProblem, NotFoundProblem, Problem, ValidationProblem},
    user::{self, Role, User, UserBy, UserStatus, acting},
};
use crate::{error::failed, peers::Peers};

#[derive(InputObject)]
pub(crate) struct SetUserRoleInput {
    user: UserBy,
    /// CREATOR, MODERATOR or ADMIN: everybody who has signed in is a USER.
    role: Role,
    /// Whether to give it; else it is taken away.
    granted: bool,
    /// For the record.
    reason: Option<String>,
    /// Only where the user still has this revision.
    expected_revision: Option<i64>,
}

#[derive(InputObject)]
pub(crate) struct SetUserStatusInput {
    user: UserBy,
    /// ACTIVE or SUSPENDED; suspension ends every session of the user.
    status: UserStatus,
    /// For the record.
    reason: Option<String>,
    /// Only where the user still has this revision.
    expected_revision: Option<i64>,
}

/// The user as they are now, or why nothing changed.
#[derive(Union)]
pub(crate) enum AdministerUserResult {
    User(Box<User>),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Forbidden(ForbiddenProblem),
    Conflict(ConflictProblem),
}

#[derive(Default)]
pub(crate) struct AdminMutation;

#[Object]
impl AdminMutation {
    /// Gives a role to a user, or takes it away.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn set_user_role(
        &self,
        context: &Context<'_>,
        input: SetUserRoleInput,
    ) -> Result<AdministerUserResult> {
        let viewer = acting(context)?;
        let expected_revision = match problem::version("expectedRevision", input.expected_revision) {
            Ok(revision) => revision,
            Err(problem) => return Ok(AdministerUserResult::Validation(problem)),
        };
        let Some(found) = user::find(context, input.user).await.transpose()? else {
            return Ok(AdministerUserResult::NotFound(NotFoundProblem::of("user")));
        };
        let asked = SetRoleRequest {
            who: Some(Who::UserId(found.0.user_id)),
            role: input.role.to_wire().to_owned(),
            granted: input.granted,
            reason: input.reason.unwrap_or_default(),
            expected_revision,
            account_type: String::new(),
        };
        let asked = rpc::caller::acting(asked, &viewer.caller());
        let answer = context.data_unchecked::<Peers>().user.clone().set_role(asked).await;
        administered(answer.map(|answer| answer.into_inner().user))
    }

    /// Suspends a user, or lets them in again.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn set_user_status(
        &self,
        context: &Context<'_>,
        input: SetUserStatusInput,
    ) -> Result<AdministerUserResult> {
        let viewer = acting(context)?;
        let status = match input.status {
            UserStatus::Active => "active",
            UserStatus::Suspended => "suspended",
            UserStatus::Deleted => {
                let problem = ValidationProblem::field("status", "must be ACTIVE or SUSPENDED");
                return Ok(AdministerUserResult::Validation(problem));
            }
        };
        let expected_revision = match problem::version("expectedRevision", input.expected_revision) {
            Ok(revision) => revision,
            Err(problem) => return Ok(AdministerUserResult::Validation(problem)),
        };
        let Some(found) = user::find(context, input.user).await.transpose()? else {
            return Ok(AdministerUserResult::NotFound(NotFoundProblem::of("user")));
        };
        let asked = SetStatusRequest {
            user_id: found.0.user_id,
            status: status.to_owned(),
            reason: input.reason.unwrap_or_default(),
            expected_revision,
        };
        let asked = rpc::caller::acting(asked, &viewer.caller());
        let answer = context.data_unchecked::<Peers>().user.clone().set_status(asked).await;
        administered(answer.map(|answer| answer.into_inner().user))
    }
}

fn administered(answer: Result<Option<pb::User>, Status>) -> Result<AdministerUserResult> {
    match answer {
        Ok(user) => Ok(AdministerUserResult::User(Box::new(User(user.unwrap_or_default())))),
        Err(status) => match problem::expected(&status)? {
            Problem::Validation(problem) => Ok(AdministerUserResult::Validation(problem)),
            Problem::NotFound(problem) => Ok(AdministerUserResult::NotFound(problem)),
            Problem::Forbidden(problem) => Ok(AdministerUserResult::Forbidden(problem)),
            Problem::Conflict(problem) => Ok(AdministerUserResult::Conflict(problem)),
            _ => Err(failed(&status)),
        },
    }
}
