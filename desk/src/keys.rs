//! The keys that access tokens are signed with.

use anyhow::Context;
use chrono::DateTime;
use proto::auth::v1::{RotateSigningKeyRequest, auth_service_client::AuthServiceClient};
use url::Url;

use crate::operator::{Certs, answer};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The auth service.
    #[arg(long, global = true, env = "VITRINE_AUTH_URL", default_value = "https://127.0.0.1:50051")]
    service: Url,
    #[command(flatten)]
    certs: Certs,
}

#[derive(clap::Subcommand)]
enum What {
    /// Makes a new key; tokens of the old one stay good until they run out.
    Rotate {
        /// The old keys are lost to somebody: everything that they signed ends now.
        #[arg(long)]
        at_once: bool,
    },
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let What::Rotate { at_once } = arguments.what;
    let mut auth = AuthServiceClient::new(arguments.certs.channel("auth", &arguments.service)?);
    let made = answer(auth.rotate_signing_key(RotateSigningKeyRequest { at_once }).await)?;
    let from = made.signs_from.context("the answer does not say from when the key signs")?;
    let from = DateTime::from_timestamp(from.seconds, 0).context("the answer's time is none")?;
    println!("key {} signs from {}", made.kid, from.to_rfc3339());
    Ok(())
}
