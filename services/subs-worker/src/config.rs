//! What the service can be told from outside.

use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// The whole configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the process is watched and how it stops.
    pub process: launch::Settings,
    /// Where calls come in, and the certificates of every call.
    pub grpc: rpc::Settings,
    /// The broker.
    pub amqp_url: Secret,
    /// The Redis that holds the delivery stream.
    pub redis_url: Secret,
    /// The services that are called.
    pub peers: Peers,
    /// How much of the delivery stream is kept.
    #[serde(default)]
    pub window: Window,
}

/// The services that are called.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Whose intents are resolved.
    pub orchestrator: Url,
}

/// How much of the delivery stream is kept: a client that was away longer has to refetch.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Hours that a delivery is kept.
    pub hours: u64,
    /// Deliveries that are kept at most.
    pub deliveries: u64,
}

impl Default for Window {
    fn default() -> Window {
        Window { hours: 24, deliveries: 1_000_000 }
    }
}
