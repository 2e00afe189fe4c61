//! What orchestrator is told at its start.

use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// The configuration of orchestrator.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the process is watched and how it stops.
    pub process: launch::Settings,
    /// The gRPC door and the certificates.
    pub grpc: rpc::Settings,
    /// Where `orchestrator_db` is.
    pub database_url: Secret,
    /// Connections to the database at most.
    #[serde(default = "eight")]
    pub database_pool: u32,
    /// Where the intents' states are mirrored; everything works without it.
    pub redis_url: Secret,
    /// Where the broker is.
    pub amqp_url: Secret,
    /// The services that it calls.
    pub peers: PeerUrls,
    /// Seconds that an intent may wait for its signature.
    #[serde(default = "an_hour")]
    pub intent_ttl_secs: u32,
    /// Per cent of gas added to what a simulation used.
    #[serde(default = "twenty")]
    pub gas_margin_percent: u32,
    /// The share of a price, in hundredths of a per cent, that a collection may ask for its creator; orders of one that
    /// asks for more are refused.
    #[serde(default = "ten_per_cent")]
    pub royalty_max_bps: u16,
    /// Milliseconds between two looks of the tracker for what is due.
    #[serde(default = "quarter_second")]
    pub follow_every_millis: u32,
    /// Seconds that no node may know a transaction before it counts as dropped.
    #[serde(default = "ten_minutes")]
    pub drop_after_secs: u32,
}

/// Where the services are that orchestrator calls.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerUrls {
    /// Chains, endpoints, gas policies.
    pub chain_registry: Url,
    /// Pending collections.
    pub catalog: Url,
    /// Whose wallet is whose.
    pub wallet: Url,
    /// Told what a session is preparing.
    pub auth: Url,
    /// How far chains are read.
    pub indexer: Url,
}

fn eight() -> u32 {
    8
}

fn an_hour() -> u32 {
    3600
}

fn twenty() -> u32 {
    20
}

fn ten_per_cent() -> u16 {
    1000
}

fn quarter_second() -> u32 {
    250
}

fn ten_minutes() -> u32 {
    600
}
