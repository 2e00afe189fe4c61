//! What catalog is told at its start.

use chrono::TimeDelta;
use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// The configuration of catalog.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the process is watched and how it stops.
    pub process: launch::Settings,
    /// The gRPC door and the certificates.
    pub grpc: rpc::Settings,
    /// Where `catalog_db` is.
    pub database_url: Secret,
    /// Connections to the database at most.
    #[serde(default = "eight")]
    pub database_pool: u32,
    /// Where hot reads are cached; everything works without it.
    pub redis_url: Secret,
    /// Where the broker is.
    pub amqp_url: Secret,
    /// The services that are called.
    pub peers: Peers,
    /// A block older than this belongs to a chain that is catching up: its tokens are told of in batches.
    #[serde(default = "ten_minutes")]
    pub catching_up_secs: u64,
    /// How many documents media is asked for at a time.
    #[serde(default = "eight_at_once")]
    pub metadata_in_flight: usize,
}

impl Config {
    /// The age of a block beyond which its chain is catching up.
    pub(crate) fn catching_up(&self) -> TimeDelta {
        let secs = i64::try_from(self.catching_up_secs).unwrap_or(i64::MAX);
        TimeDelta::try_seconds(secs).unwrap_or(TimeDelta::MAX)
    }
}

/// The services that are called.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Who reads metadata.
    pub media: Url,
}

fn eight() -> u32 {
    8
}

fn ten_minutes() -> u64 {
    600
}

fn eight_at_once() -> usize {
    8
}
