//! What a service's configuration says about its gRPC door.
use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

/// The gRPC door and the certificates that this process shows on both sides of a call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address that the gRPC server listens on; a client-only process leaves it as it is.
    #[serde(default = "nowhere")]
    pub addr: SocketAddr,
    /// PEM file of the authority that signed every certificate of the fleet.
    pub ca: PathBuf,
    /// PEM file of this service's certificate.
    pub cert: PathBuf,
    /// PEM file of the certificate's private key.
    pub key: PathBuf,
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
