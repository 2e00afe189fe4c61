//! Sessions, ended by an operator.

use proto::auth::v1::{RevokeSessionsRequest, auth_service_client::AuthServiceClient};
use url::Url;
use uuid::Uuid;

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
    /// Ends every session of a user, in force everywhere within seconds; they may sign in again.
    Revoke {
        /// The user's id.
        #[arg(long)]
        user: Uuid,
    },
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let What::Revoke { user } = arguments.what;
    let ask = RevokeSessionsRequest {
        user_id: user.to_string(),
        reason: "revoked".to_owned(),
        ..Default::default()
    };
    let mut auth = AuthServiceClient::new(arguments.certs.channel("auth", &arguments.service)?);
    let ended = answer(auth.revoke_sessions(ask).await)?.revoked;
    println!("{ended} sessions of user {user} ended");
    Ok(())
}
