//! What auth is told at its start.

use std::num::NonZeroU32;

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
    /// What people read in their wallet when they sign in.
    pub statement: String,
    /// What people read in their wallet when they prove that a further wallet is theirs.
    pub link_statement: String,
    /// Days after which a new key signs the access tokens; `RotateSigningKey` makes one at any time.
    #[serde(default = "thirty")]
    pub key_max_age_days: u32,
    /// Seconds between two looks for keys that other processes made; at most 300.
    #[serde(default = "thirty")]
    pub key_reload_secs: u32,
    /// How much one address or account may ask for.
    #[serde(default)]
    pub limits: Limits,
}

/// How much one address or account may ask for. Each is a bucket that holds a minute's worth and is filled evenly;
/// an IPv6 address counts by its /64. While Redis is away each process grants half of it from memory of its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Nonces that an IP address is issued in a minute.
    pub nonces_per_minute: NonZeroU32,
    /// Signed messages that are looked at for an IP address in a minute, sign-ins and proofs of a further wallet alike.
    pub sign_ins_per_minute: NonZeroU32,
    /// Refresh tokens that are exchanged for an IP address in a minute.
    pub refreshes_per_minute: NonZeroU32,
    /// Sessions that an account opens in a minute. Taken only after its signature was found good, so that nobody else
    /// can use it up.
    pub sessions_per_minute: NonZeroU32,
    /// Signatures of contract accounts that are checked on a chain for an IP address in a minute.
    pub contract_checks_per_minute: NonZeroU32,
    /// Signatures of contract accounts that one process has checked at the same time.
    pub contract_checks_at_once: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Limits {
        let limit = |limit| NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        Limits {
            nonces_per_minute: limit(10),
            sign_ins_per_minute: limit(20),
            refreshes_per_minute: limit(60),
            sessions_per_minute: limit(10),
            contract_checks_per_minute: limit(10),
            contract_checks_at_once: limit(8),
        }
    }
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

fn thirty() -> u32 {
    30
}
