//! The GraphQL schema: one subject a file, each with its types, queries, mutations and subscriptions.

mod auth;
mod chain;
mod collection;
mod connection;
mod intent;
mod live;
mod media;
mod node;
mod prepare;
mod problem;
mod scalar;
mod token;
mod user;
mod wallet;

use std::net::SocketAddr;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, SchemaBuilder};
use http::{HeaderMap, header};
use proto::auth::v1 as pb;

use crate::{Config, live::Live, peers::Peers};

/// The schema that both doors execute.
pub(crate) type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    node::NodeQuery,
    user::UserQuery,
    chain::ChainQuery,
    collection::CollectionQuery,
    token::TokenQuery,
    intent::IntentQuery,
);

/// Everything that can be done.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    auth::AuthMutation,
    prepare::PrepareMutation,
    intent::IntentMutation,
    media::MediaMutation,
);

/// Everything that can be watched.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(intent::IntentSubscription, live::LiveSubscription);

/// Who knocks: for rate limits and the login record, never for rights.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    ip_address: String,
    user_agent: String,
}

impl Visitor {
    pub(crate) fn new(peer: SocketAddr, headers: &HeaderMap) -> Visitor {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Visitor { ip_address: peer.ip().to_string(), user_agent: agent.chars().take(512).collect() }
    }

    fn to_wire(&self, device_id: Option<String>) -> pb::ClientInfo {
        pb::ClientInfo {
            ip_address: self.ip_address.clone(),
            user_agent: self.user_agent.clone(),
            device_id: device_id.unwrap_or_default(),
        }
    }
}

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
