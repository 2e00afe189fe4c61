//! What wallet is told at its start.

use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// The configuration of wallet.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the process is watched and how it stops.
    pub process: launch::Settings,
    /// The gRPC door and the certificates.
    pub grpc: rpc::Settings,
    /// Where `wallet_db` is.
    pub database_url: Secret,
    /// Connections to the database at most.
    #[serde(default = "eight")]
    pub database_pool: u32,
    /// Where the marks of last use are mirrored; everything works without it.
    pub redis_url: Secret,
    /// Where the broker is.
    pub amqp_url: Secret,
}

fn eight() -> u32 {
    8
}
