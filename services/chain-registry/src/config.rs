//! What chain-registry is told at its start.

use std::path::PathBuf;

use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

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
    /// Connections to the database at most; one of them listens for new versions.
    #[serde(default = "eight")]
    pub database_pool: u32,
    /// Where chains are cached; everything works without it.
    pub redis_url: Secret,
    /// The object store of large interfaces.
    pub s3: Bucket,
    /// Streams of snapshots at most that one process serves.
    #[serde(default = "watchers")]
    pub watchers: u32,
    /// A JSON file of chains, endpoints and contracts. What the registry does not know yet is taken from it at a start.
    #[serde(default)]
    pub seed: Option<PathBuf>,
}

/// The object store, by the S3 protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Where it answers.
    pub endpoint: Url,
    /// The region that requests are signed for.
    pub region: String,
    /// Who we are there.
    pub access_key: String,
    /// The proof of it. Empty: there is no object store, and large interfaces are refused.
    pub secret_key: Secret,
    /// The bucket, which must exist.
    pub bucket: String,
}

fn eight() -> u32 {
    8
}

fn watchers() -> u32 {
    256
}
