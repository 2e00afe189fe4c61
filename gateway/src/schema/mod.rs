//! The GraphQL schema: one subject a file, each with its types, queries, mutations and subscriptions.

mod admin;
mod allowlist;
#[cfg(test)]
mod allowlist_tests;
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
mod index_status;
#[cfg(test)]
mod index_status_tests;
mod intent;
mod intent_status;
mod live;
mod media;
mod mint_eligibility;
mod money;
pub(crate) mod node;
mod order;
#[cfg(test)]
mod played_tests;
mod preferences;
mod prepare_approval;
mod prepare_collection;
mod prepare_mint;
mod prepare_order;
mod prepare_trade;
mod prepared;
mod problem;
mod profile;
mod registry;
mod registry_audit;
#[cfg(test)]
mod registry_tests;
pub(crate) mod scalar;
pub(crate) mod session;
mod step;
mod token;
#[cfg(test)]
mod trade_tests;
mod user;
mod user_stats;
mod viewer;
mod wallet;
mod wallet_activity;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, SchemaBuilder};

pub(crate) use crate::visitor::Visitor;
use crate::{Config, checkpoints::Checkpoints, live::Live, peers::Peers};

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
    mint_eligibility::MintEligibilityQuery,
    order::OrderQuery,
    allowlist::AllowlistQuery,
    registry_audit::RegistryAuditQuery,
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
    registry::RegistryMutation,
    prepare_collection::PrepareCollectionMutation,
    prepare_mint::PrepareMintMutation,
    prepare_approval::PrepareApprovalMutation,
    prepare_order::PrepareOrderMutation,
    prepare_trade::PrepareTradeMutation,
    allowlist::AllowlistMutation,
    intent::IntentMutation,
    media::MediaMutation,
);

/// Everything that can be watched.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(
    intent_status::IntentSubscription,
    live::LiveSubscription,
    index_status::IndexSubscription,
);

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .register_output_type::<node::Node>()
        .register_output_type::<problem::Problem>()
}

/// The schema over the real services.
pub(crate) fn build(config: &Config, peers: Peers, live: Live, checkpoints: Checkpoints) -> Schema {
    let limits = config.limits;
    let mut builder = builder()
        .data(peers)
        .data(live.seal().clone())
        .data(live)
        .data(checkpoints)
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
