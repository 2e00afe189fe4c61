//! Users, and the viewer's view of themselves.

use async_graphql::{Context, Enum, ID, Object, OneofObject, Result};
use proto::user::v1::{self as pb, GetUserRequest, get_user_request::By};

use super::{
    auth::Session,
    node,
    scalar::{AccountId, DateTime, Uri, moment_of, ours, text},
    wallet::Wallet,
};
use crate::{
    error::failed,
    loaders::Loaders,
    peers::Peers,
    viewer::{self, Viewer},
};

/// A person, whatever wallets they use.
#[derive(Clone)]
pub(crate) struct User(pub(crate) pb::User);

/// What a user may do.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Creator,
    Moderator,
    Admin,
}

#[Object]
impl User {
    pub(crate) async fn id(&self) -> ID {
        node::id("User", &self.0.user_id)
    }

    async fn username(&self) -> Option<String> {
        text(&self.0.profile.as_ref()?.username)
    }

    async fn display_name(&self) -> Option<String> {
        text(&self.0.profile.as_ref()?.display_name)
    }

    async fn bio(&self) -> Option<String> {
        text(&self.0.profile.as_ref()?.bio)
    }

    async fn avatar_url(&self) -> Option<Uri> {
        text(&self.0.profile.as_ref()?.avatar_url).map(Uri)
    }

    /// The accounts that belong to this user; null with an error while they cannot be read.
    async fn wallets(&self, context: &Context<'_>) -> Option<Result<Vec<Wallet>>> {
        let id = match ours(&self.0.user_id) {
            Ok(id) => id,
            Err(err) => return Some(Err(err)),
        };
        match context.data_unchecked::<Loaders>().wallets.load_one(id).await {
            Ok(found) => found.map(|rows: Vec<_>| Ok(rows.into_iter().map(Wallet).collect())),
            Err(status) => Some(Err(failed(&status))),
        }
    }

    async fn created_at(&self) -> DateTime {
        moment_of(self.0.create_time.as_ref())
    }
}

#[Object(name = "Viewer")]
impl Viewer {
    /// Who you are; null with an error while users cannot be read.
    async fn user(&self, context: &Context<'_>) -> Option<Result<User>> {
        load(context, self.user_id).await
    }

    /// The session that this request belongs to; null with an error while sessions cannot be read.
    async fn session(&self, context: &Context<'_>) -> Option<Result<Session>> {
        super::auth::current(context, self).await.transpose()
    }

    /// What you may do.
    async fn roles(&self) -> Vec<Role> {
        self.roles.iter().filter_map(|role| role_of(role)).collect()
    }
}

fn role_of(name: &str) -> Option<Role> {
    match name {
        "user" => Some(Role::User),
        "creator" => Some(Role::Creator),
        "moderator" => Some(Role::Moderator),
        "admin" => Some(Role::Admin),
        _ => None,
    }
}

/// How a user is named.
#[derive(OneofObject)]
pub(crate) enum UserBy {
    Id(ID),
    Username(String),
    Account(AccountId),
}

#[derive(Default)]
pub(crate) struct UserQuery;

#[Object]
impl UserQuery {
    /// You; null when you have not signed in.
    async fn viewer(&self, context: &Context<'_>) -> Option<Viewer> {
        context.data_opt::<Viewer>().cloned()
    }

    /// A user; null where there is none.
    async fn user(&self, context: &Context<'_>, by: UserBy) -> Option<Result<User>> {
        let by = match by {
            UserBy::Id(id) => return load(context, node::key("User", &id)?).await,
            UserBy::Username(name) if name.contains('\0') => return None,
            UserBy::Username(name) => By::Username(name),
            UserBy::Account(account) => By::AccountId(account.0.to_lower()),
        };
        let peers = context.data_unchecked::<Peers>();
        match peers.user.clone().get_user(GetUserRequest { by: Some(by) }).await {
            Ok(answer) => answer.into_inner().user.map(|row| Ok(User(row))),
            Err(status) if status.code() == tonic::Code::NotFound => None,
            Err(status) => Some(Err(failed(&status))),
        }
    }
}

async fn load(context: &Context<'_>, id: ids::UserId) -> Option<Result<User>> {
    match context.data_unchecked::<Loaders>().users.load_one(id).await {
        Ok(found) => found.map(|row| Ok(User(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}

/// The viewer that a mutation needs.
pub(crate) fn acting<'a>(context: &'a Context<'_>) -> Result<&'a Viewer> {
    viewer::required(context)
}
