//! Users: what everybody may see of them, and how they are found.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, Json, Object, OneofObject, Result};
use proto::user::v1::{self as pb, GetUserRequest, SearchUsersRequest, get_user_request::By};

use super::{
    follow::{self, UserConnection},
    guard, node,
    scalar::{AccountId, DateTime, Uri, moment_of, ours, text},
    user_stats::UserStats,
    wallet::Wallet,
};
use crate::{
    error::{PAGE_TOO_LARGE, coded, failed},
    loaders::Loaders,
    peers::Peers,
    viewer::{self, Viewer},
};

/// The most that a search answers with.
const LARGEST_SEARCH: i32 = 50;

/// A person, whatever wallets they use.
#[derive(Clone)]
pub(crate) struct User(pub(crate) pb::User);

/// What a user may do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everybody who has signed in.
    User,
    /// Has made a collection.
    Creator,
    /// Sets flags and verifies collections.
    Moderator,
    /// Runs the registry, roles and suspension.
    Admin,
}

impl Role {
    pub(crate) fn of_wire(name: &str) -> Option<Role> {
        match name {
            "user" => Some(Role::User),
            "creator" => Some(Role::Creator),
            "moderator" => Some(Role::Moderator),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }

    pub(crate) fn to_wire(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Creator => "creator",
            Role::Moderator => "moderator",
            Role::Admin => "admin",
        }
    }
}

/// Whether a user may come in.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserStatus {
    Active,
    /// Shut out: no session, no sign-in.
    Suspended,
    Deleted,
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

    async fn banner_url(&self) -> Option<Uri> {
        text(&self.0.profile.as_ref()?.banner_url).map(Uri)
    }

    /// The language that the user writes in, as BCP 47 names it.
    async fn locale(&self) -> Option<String> {
        text(&self.0.profile.as_ref()?.locale)
    }

    /// As IANA names it: `Europe/Berlin`.
    async fn timezone(&self) -> Option<String> {
        text(&self.0.profile.as_ref()?.timezone)
    }

    /// Where else to find the user: an object of names and `https:` addresses.
    async fn socials(&self) -> Option<Json<BTreeMap<String, String>>> {
        let socials = &self.0.profile.as_ref()?.socials;
        (!socials.is_empty()).then(|| Json(socials.clone().into_iter().collect()))
    }

    /// Of the profile; grows with each change. Pass it as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.version
    }

    /// The user's figures; null with an error while they cannot be read.
    #[graphql(complexity = "1 + child_complexity")]
    async fn stats(&self, context: &Context<'_>) -> Option<Result<UserStats>> {
        let id = match self.key() {
            Ok(id) => id,
            Err(err) => return Some(Err(err)),
        };
        match context.data_unchecked::<Loaders>().stats.load_one(id).await {
            Ok(found) => found.map(|row| Ok(UserStats(row))),
            Err(status) => Some(Err(failed(&status))),
        }
    }

    /// Whether you follow this user; false where you have not signed in, null with an error while it cannot be read.
    async fn is_followed_by_viewer(&self, context: &Context<'_>) -> Option<Result<bool>> {
        Some(self.is_followed(context).await)
    }

    /// Who follows this user, newest first.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity")]
    async fn followers(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<UserConnection>> {
        Some(follow::list(context, &self.0.user_id, true, first, after).await)
    }

    /// Whom this user follows, newest first.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity")]
    async fn following(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<UserConnection>> {
        Some(follow::list(context, &self.0.user_id, false, first, after).await)
    }

    /// The accounts that belong to this user; null with an error while they cannot be read.
    async fn wallets(&self, context: &Context<'_>) -> Option<Result<Vec<Wallet>>> {
        match self.key() {
            Ok(id) => super::wallet::of_user(context, id).await,
            Err(err) => Some(Err(err)),
        }
    }

    /// Whether the user may come in; for themselves, moderators and admins, null for others.
    async fn status(&self, context: &Context<'_>) -> Option<UserStatus> {
        let status = match self.0.status.as_str() {
            "active" => UserStatus::Active,
            "suspended" => UserStatus::Suspended,
            "deleted" => UserStatus::Deleted,
            _ => return None,
        };
        self.is_open_to(context).then_some(status)
    }

    /// What the user may do; for themselves, moderators and admins, null for others.
    async fn roles(&self, context: &Context<'_>) -> Option<Vec<Role>> {
        let roles = || self.0.roles.iter().filter_map(|role| Role::of_wire(role)).collect();
        self.is_open_to(context).then(roles)
    }

    /// Of status and roles; grows with each change. For themselves, moderators and admins, null for others.
    async fn revision(&self, context: &Context<'_>) -> Option<i64> {
        self.is_open_to(context).then_some(self.0.revision)
    }

    async fn created_at(&self) -> DateTime {
        moment_of(self.0.create_time.as_ref())
    }
}

impl User {
    async fn is_followed(&self, context: &Context<'_>) -> Result<bool> {
        let id = self.key()?;
        let Some(viewer) = context.data_opt::<Viewer>() else { return Ok(false) };
        if viewer.user_id == id {
            return Ok(false);
        }
        let found = context.data_unchecked::<Loaders>().following(viewer).load_one(id).await;
        found.map(Option::unwrap_or_default).map_err(|status| failed(&status))
    }

    fn key(&self) -> Result<ids::UserId> {
        ours(&self.0.user_id)
    }

    /// Whether the asker may see what concerns the user's standing.
    fn is_open_to(&self, context: &Context<'_>) -> bool {
        context.data_opt::<Viewer>().is_some_and(|viewer| {
            viewer.user_id.to_string() == self.0.user_id || guard::is_enough(viewer, Role::Moderator)
        })
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
        find(context, by).await
    }

    /// Users whose name begins so, in any case; at most 50. Null with an error while users cannot be read.
    #[graphql(complexity = "20 + first.clamp(1, 50) as usize * child_complexity / 4")]
    async fn search_users(
        &self,
        context: &Context<'_>,
        prefix: String,
        #[graphql(default = 10)] first: i32,
    ) -> Option<Result<Vec<User>>> {
        Some(search(context, prefix, first).await)
    }
}

async fn search(context: &Context<'_>, prefix: String, first: i32) -> Result<Vec<User>> {
    if !(1..=LARGEST_SEARCH).contains(&first) {
        return Err(coded(PAGE_TOO_LARGE, format!("first must be between 1 and {LARGEST_SEARCH}")));
    }
    let asked = SearchUsersRequest { prefix, page_size: first };
    let peers = context.data_unchecked::<Peers>();
    let answer = peers.user.clone().search_users(asked).await.map_err(|status| failed(&status))?;
    Ok(answer.into_inner().users.into_iter().map(User).collect())
}

/// The user that is named so.
pub(crate) async fn find(context: &Context<'_>, by: UserBy) -> Option<Result<User>> {
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

pub(crate) async fn load(context: &Context<'_>, id: ids::UserId) -> Option<Result<User>> {
    match context.data_unchecked::<Loaders>().users.load_one(id).await {
        Ok(found) => found.map(|row| Ok(User(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}

/// The viewer that a mutation needs.
pub(crate) fn acting<'a>(context: &'a Context<'_>) -> Result<&'a Viewer> {
    viewer::required(context)
}
