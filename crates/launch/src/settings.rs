//! What the configuration of every service says about its process.
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// How the process is watched and how it stops.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the operations port: `/health`, `/ready`, `/metrics`.
    pub ops_addr: SocketAddr,
    /// Which log lines are written, as a `tracing` filter: `info`, `info,wallet=debug`.
    #[serde(default = "info")]
    pub log: String,
    /// Seconds between "not ready" and the end of accepting, so that balancers notice first. Zero on one machine.
    #[serde(default)]
    pub drain_secs: u64,
    /// Seconds that work in hand may take to finish at a stop.
    #[serde(default = "twenty")]
    pub stop_secs: u64,
    /// OTLP/gRPC collector that receives spans; none are exported without it.
    #[serde(default)]
    pub otlp_url: Option<Url>,
}

fn info() -> String {
    "info".to_owned()
}

fn twenty() -> u64 {
    20
}
