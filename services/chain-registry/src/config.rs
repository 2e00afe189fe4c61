//! What chain-registry is told at its start.

use std::path::PathBuf;

use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// The configuration of chain-registry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the process is watched and how it stops.
    pub process: launch::Settings,
    /// The gRPC door and the certificates.
    pub grpc: rpc::Settings,
    /// Where `chain_registry_db` is.
    pub database_url: Secret,
    /// Connections to the database at most.
    #[serde(default = "eight")]
    pub database_pool: u32,
    /// Where chains are cached; everything works without it.
    pub redis_url: Secret,
    /// A JSON file of chains, endpoints and contracts. What the registry does not know yet is taken from it at a start.
    #[serde(default)]
    pub seed: Option<PathBuf>,
}

fn eight() -> u32 {
    8
}
