//! What the service can be told from outside.

use std::net::SocketAddr;

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
    /// Where the bytes of assets and documents are served.
    pub http_addr: SocketAddr,
    /// The name under which the outside reaches `http_addr`; the URLs of assets begin with it.
    pub public_url: Url,
    /// The broker.
    pub amqp_url: Secret,
    /// The server that holds the databases `media` and `metadata`.
    pub mongo_url: Secret,
    /// Put before the names of both databases, for servers that several installations share.
    #[serde(default)]
    pub mongo_prefix: String,
    /// The object store.
    pub s3: Bucket,
    /// The name under which the outside reaches the object store, where that is not `s3.endpoint`; signed into
    /// upload URLs.
    #[serde(default)]
    pub upload_url: Option<Url>,
    /// The RPC address of a Kubo node. Without it documents wait for their pin and only our own are resolved.
    #[serde(default)]
    pub ipfs_url: Option<Url>,
    /// Lets metadata be fetched from this machine's loopback, at any port; every other private address stays
    /// refused. For development: a process with a door beyond loopback does not start with it.
    #[serde(default)]
    pub allow_loopback: bool,
    /// The services that are called.
    pub peers: Peers,
}

/// The object store, by the S3 protocol.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Where it answers.
    pub endpoint: Url,
    /// The region that requests are signed for.
    pub region: String,
    /// Who we are there.
    pub access_key: String,
    /// The proof of it.
    pub secret_key: Secret,
    /// The bucket, which must exist.
    pub bucket: String,
}

/// The services that are called.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Which endpoints a chain has.
    pub chain_registry: Url,
}

impl Config {
    /// What no single key can say by itself.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let is_local = self.http_addr.ip().is_loopback() && self.grpc.addr.ip().is_loopback();
        if self.allow_loopback && !is_local {
            anyhow::bail!("allow_loopback: only for a process whose own doors are on loopback");
        }
        Ok(())
    }
}
