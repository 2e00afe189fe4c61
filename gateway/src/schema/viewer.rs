//! The viewer's view of themselves.

use async_graphql::{Context, Object, Result};

use super::{
    allowlist::{self, AllowlistConnection},
    guard::auth,
    preferences::{self, Preferences},
    session::{self, LoginEventConnection, Session},
    user::{self, Role, User},
    wallet::{self, Wallet},
    wallet_activity::{self, WalletActivityConnection},
};
use crate::viewer::Viewer;

#[Object(name = "Viewer", directive = auth::apply(Role::User))]
impl Viewer {
    /// Who you are; null with an error while users cannot be read.
    async fn user(&self, context: &Context<'_>) -> Option<Result<User>> {
        user::load(context, self.user_id).await
    }

    /// The session that this request belongs to; null with an error while sessions cannot be read.
    async fn session(&self, context: &Context<'_>) -> Option<Result<Session>> {
        session::current(context, self).await.transpose()
    }

    /// Your sessions that are alive, those used last first; at most 100. Null with an error while they cannot be read.
    #[graphql(complexity = "10 + 10 * child_complexity")]
    async fn sessions(&self, context: &Context<'_>) -> Option<Result<Vec<Session>>> {
        Some(session::sessions(context, self).await)
    }

    /// Attempts to sign in as you, newest first; null with an error while they cannot be read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn login_events(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<LoginEventConnection>> {
        Some(session::login_events(context, self, first, after).await)
    }

    /// What you may do.
    async fn roles(&self) -> Vec<Role> {
        self.roles.iter().filter_map(|role| Role::of_wire(role)).collect()
    }

    /// What you like; null with an error while it cannot be read.
    #[graphql(complexity = "5 + child_complexity")]
    async fn preferences(&self, context: &Context<'_>) -> Option<Result<Preferences>> {
        Some(preferences::load(context, self).await)
    }

    /// The accounts that belong to you; null with an error while they cannot be read.
    async fn wallets(&self, context: &Context<'_>) -> Option<Result<Vec<Wallet>>> {
        wallet::of_user(context, self.user_id).await
    }

    /// What happened to your wallets, newest first; null with an error while it cannot be read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn wallet_activity(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<WalletActivityConnection>> {
        Some(wallet_activity::list(context, self, first, after).await)
    }

    /// Your allowlists, newest first; null with an error while they cannot be read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn allowlists(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<AllowlistConnection>> {
        Some(allowlist::lists(context, self, first, after).await)
    }
}
