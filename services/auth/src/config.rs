//! What auth is told at its start.

use launch::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// The configuration of auth.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the process is watched and how it stops.
    pub process: launch::Settings,
    /// The gRPC door and the certificates.
    pub grpc: rpc::Settings,
    /// Where `auth_db` is.
    pub database_url: Secret,
    /// Connections to the database at most.
    #[serde(default = "eight")]
    pub database_pool: u32,
    /// Where nonces and revocations are mirrored; everything works without it.
    pub redis_url: Secret,
    /// Where the broker is.
    pub amqp_url: Secret,
    /// The services that auth asks.
    pub peers: PeerUrls,
    /// RFC 3986 authorities that may ask for a signature; the first is the one that is told to clients.
    pub domains: Vec<String>,
    /// Origins that a signed message's URI may have; the first is the one that is told to clients.
    pub origins: Vec<String>,
    /// What tokens name as their issuer: the public URL.
    pub issuer: String,
    /// What people read in their wallet when they sign.
    pub statement: String,
}

/// Where the services that auth asks are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerUrls {
    /// Creates users.
    pub user: Url,
    /// Knows whose an account is.
    pub wallet: Url,
    /// Knows which chains are enabled.
    pub chain_registry: Url,
}

fn eight() -> u32 {
    8
}
