//! The GraphQL schema: one subject a file, each with its types, queries, mutations and subscriptions.

mod admin;
mod approval;
mod auth;
#[cfg(test)]
mod calls_tests;
mod chain;
mod collection;
mod connection;
mod follow;
mod guard;
#[cfg(test)]
mod guard_tests;
mod intent;
mod live;
mod media;
pub(crate) mod node;
mod preferences;
mod prepare;
mod problem;
mod profile;
pub(crate) mod scalar;
pub(crate) mod session;
mod token;
mod user;
mod user_stats;
mod viewer;
mod wallet;
mod wallet_activity;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, SchemaBuilder};

pub(crate) use crate::visitor::Visitor;
use crate::{Config, live::Live, peers::Peers};

/// The schema that both doors execute.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    node::NodeQuery,
    user::UserQuery,
    approval::ApprovalQuery,
    chain::ChainQuery,
    collection::CollectionQuery,
    token::TokenQuery,
    intent::IntentQuery,
);

/// Everything that can be done.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    auth::AuthMutation,
    profile::ProfileMutation,
    preferences::PreferencesMutation,
    follow::FollowMutation,
    wallet::WalletMutation,
    admin::AdminMutation,
    prepare::PrepareMutation,
    intent::IntentMutation,
    media::MediaMutation,
);

/// Everything that can be watched.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(intent::IntentSubscription, live::LiveSubscription);

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .register_output_type::<node::Node>()
        .register_output_type::<problem::Problem>()
}

/// The schema over the real services.
pub(crate) fn build(config: &Config, peers: Peers, live: Live) -> Schema {
    let limits = config.limits;
    let mut builder = builder()
        .data(peers)
        .data(live.seal().clone())
        .data(live)
        .limit_depth(limits.depth)
        .limit_complexity(limits.complexity)
        .limit_directives(limits.directives);
    if !config.introspection {
        builder = builder.disable_introspection().disable_suggestions();
    }
    builder.finish()
}

/// The schema's text, as `schema.graphql` keeps it.
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().include_specified_by())
}
