//! What the gateway can be told from outside.

use std::{net::SocketAddr, path::PathBuf};

use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::proxies::Network;

/// The whole configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the process is watched and how it stops.
    pub process: launch::Settings,
    /// The certificates of every call; the address is not used, since the gateway answers no gRPC.
    pub grpc: rpc::Settings,
    /// Where frontends knock.
    pub http_addr: SocketAddr,
    /// The address that frontends know the gateway by; also the issuer of access tokens.
    pub public_url: Url,
    /// Origins whose pages may call with credentials; the public URL's own is always one.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Proxies of our own, in CIDR notation: what they say in `X-Forwarded-For` about who they pass on is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// Signs the cursors that clients carry; every replica needs the same one.
    pub cursor_key: Secret,
    /// Whether the schema may be asked for.
    #[serde(default)]
    pub introspection: bool,
    /// A folder with GraphiQL's files, served at `/graphiql`; absent in production.
    #[serde(default)]
    pub graphiql: Option<PathBuf>,
    /// The services that are called.
    pub peers: Peers,
    /// What a query and a socket may cost.
    #[serde(default)]
    pub limits: Limits,
}

/// The services that are called.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Sign-in and sessions.
    pub auth: Url,
    /// Users.
    pub user: Url,
    /// Wallets and approvals.
    pub wallet: Url,
    /// Intents.
    pub orchestrator: Url,
    /// Uploads and metadata.
    pub media: Url,
    /// Chains.
    pub chain_registry: Url,
    /// Collections and tokens.
    pub catalog: Url,
    /// How far chains are read.
    pub indexer: Url,
    /// The delivery log.
    pub subs_worker: Url,
}

/// What a query and a socket may cost.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request body or a socket's message.
    pub body_bytes: usize,
    /// Levels of selection sets.
    pub depth: usize,
    /// The sum of what fields cost.
    pub complexity: usize,
    /// Directives on one field.
    pub directives: usize,
    /// Subscriptions of one socket.
    pub subscriptions: usize,
    /// Sockets that are open at once.
    pub sockets: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 64 * 1024,
            depth: 15,
            complexity: 1000,
            directives: 20,
            subscriptions: 100,
            sockets: 20_000,
        }
    }
}
