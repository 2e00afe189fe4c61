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
    /// The database `indexer_db`.
    pub database_url: Secret,
    /// Connections to it at most.
    #[serde(default = "eight")]
    pub database_pool: u32,
    /// The broker.
    pub amqp_url: Secret,
    /// The MongoDB that keeps raw events.
    pub mongo_url: Secret,
    /// The Mongo database whose collection `raw` holds them.
    #[serde(default = "events")]
    pub mongo_database: String,
    /// The services that are called.
    pub peers: Peers,
    /// How chains are followed.
    #[serde(default)]
    pub follow: Follow,
}

/// The services that are called.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Which chains there are, by which endpoints, and which contracts.
    pub chain_registry: Url,
}

/// How chains are followed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Follow {
    /// Milliseconds between two looks at a chain's head.
    pub poll_millis: u64,
    /// Seconds that a worker owns its chain without renewing; another one takes over after that.
    pub lease_secs: u64,
    /// Blocks that are asked for at once while a chain catches up, at most.
    pub largest_range: u64,
    /// Seconds without progress behind the head after which `/ready` says no.
    pub stalled_secs: u64,
}

impl Default for Follow {
    fn default() -> Follow {
        Follow { poll_millis: 500, lease_secs: 4, largest_range: 1000, stalled_secs: 60 }
    }
}

fn eight() -> u32 {
    8
}

fn events() -> String {
    "events".to_owned()
}
