//! Suspensions by an operator.

use proto::user::v1::{SetStatusRequest, user_service_client::UserServiceClient};
use url::Url;
use uuid::Uuid;

use crate::operator::{Certs, answer};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The user's id.
    user: Uuid,
    /// Lets them in again instead.
    #[arg(long)]
    lift: bool,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    reason: String,
    /// The user service.
    #[arg(long, env = "VITRINE_USER_URL", default_value = "https://127.0.0.1:50052")]
    service: Url,
    #[command(flatten)]
    certs: Certs,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let ask = SetStatusRequest {
        user_id: arguments.user.to_string(),
        status: if arguments.lift { "active" } else { "suspended" }.to_owned(),
        reason: arguments.reason.clone(),
        expected_revision: 0,
    };
    let mut users = UserServiceClient::new(arguments.certs.channel("user", &arguments.service)?);
    let user = answer(users.set_status(ask).await)?.user.unwrap_or_default();
    println!("user {} is {}", user.user_id, user.status);
    Ok(())
}
