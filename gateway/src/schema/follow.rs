//! Who follows whom.

use async_graphql::{Context, ID, Object, Result, SimpleObject, Union};
use proto::user::v1::{ListFollowsRequest, SetFollowRequest};

use super::{
    connection::{Page, PageInfo},
    guard::{Requires, auth},
    node,
    problem::{self, ConflictProblem, NotFoundProblem, Problem, ValidationProblem},
    user::{Role, User, acting},
};
use crate::{cursor::Seal, error::failed, peers::Peers};

/// A page of users.
#[derive(SimpleObject)]
pub(crate) struct UserConnection {
    /// Users with their cursors.
    edges: Vec<UserEdge>,
    /// The users alone.
    nodes: Vec<User>,
    /// Where the page lies in the list.
    page_info: PageInfo,
    /// How many users the whole list has.
    total_count: i32,
}

/// A user with its cursor.
#[derive(SimpleObject)]
pub(crate) struct UserEdge {
    /// Pass it as `after` to go on behind this user.
    cursor: String,
    /// The user.
    node: User,
}

/// Followers of a user, or whom they follow.
pub(crate) async fn list(
    context: &Context<'_>,
    user_id: &str,
    followers: bool,
    first: Option<i32>,
    after: Option<String>,
) -> Result<UserConnection> {
    let seal = context.data_unchecked::<Seal>();
    // Bound to the user: a cursor of one list says nothing in another.
    let kind = format!("{}:{user_id}", if followers { "followers" } else { "following" });
    let page = Page::read(seal, &kind, first, after.as_deref())?;
    let asked = ListFollowsRequest {
        user_id: user_id.to_owned(),
        followers,
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let peers = context.data_unchecked::<Peers>();
    let answer = peers.user.clone().list_follows(asked).await.map_err(|status| failed(&status))?.into_inner();
    let cursors: Vec<String> = answer.positions.iter().map(|at| seal.seal(&kind, at)).collect();
    let nodes: Vec<User> = answer.users.into_iter().map(User).collect();
    Ok(UserConnection {
        page_info: page.info(&cursors, !answer.next_page_token.is_empty()),
        edges: nodes.iter().cloned().zip(cursors).map(|(node, cursor)| UserEdge { cursor, node }).collect(),
        nodes,
        total_count: answer.total_size,
    })
}

/// The user who is followed now, or no longer; or why nothing changed.
#[derive(Union)]
pub(crate) enum FollowResult {
    User(Box<User>),
    NotFound(NotFoundProblem),
    Conflict(ConflictProblem),
    Validation(ValidationProblem),
}

#[derive(Default)]
pub(crate) struct FollowMutation;

#[Object]
impl FollowMutation {
    /// Follows a user. Fine when you do already.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn follow_user(&self, context: &Context<'_>, id: ID) -> Result<FollowResult> {
        set(context, &id, true).await
    }

    /// Follows a user no longer. Fine when you do not.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn unfollow_user(&self, context: &Context<'_>, id: ID) -> Result<FollowResult> {
        set(context, &id, false).await
    }
}

async fn set(context: &Context<'_>, id: &ID, following: bool) -> Result<FollowResult> {
    let viewer = acting(context)?;
    let Some(user_id) = node::key::<ids::UserId>("User", id) else {
        return Ok(FollowResult::NotFound(NotFoundProblem::of("user")));
    };
    let asked = SetFollowRequest { user_id: user_id.to_string(), following };
    let asked = rpc::caller::acting(asked, &viewer.caller());
    match context.data_unchecked::<Peers>().user.clone().set_follow(asked).await {
        Ok(answer) => Ok(FollowResult::User(Box::new(User(answer.into_inner().user.unwrap_or_default())))),
        Err(status) => match problem::expected(&status)? {
            Problem::NotFound(problem) => Ok(FollowResult::NotFound(problem)),
            Problem::Conflict(problem) => Ok(FollowResult::Conflict(problem)),
            Problem::Validation(problem) => Ok(FollowResult::Validation(problem)),
            _ => Err(failed(&status)),
        },
    }
}
