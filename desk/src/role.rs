//! Roles, given and taken away by an operator: the first admin comes from here.

use proto::user::v1::{SetRoleRequest, set_role_request::Who, user_service_client::UserServiceClient};
use url::Url;
use uuid::Uuid;

use crate::operator::{Certs, answer};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The user service.
    #[arg(long, global = true, env = "VITRINE_USER_URL", default_value = "https://127.0.0.1:50052")]
    service: Url,
    #[command(flatten)]
    certs: Certs,
}

#[derive(clap::Subcommand)]
enum What {
    /// Gives a role; an account that nobody has signed in with yet gets its user now.
    ///
    /// It is in force at the user's next sign-in or refresh, at most a quarter of an hour later.
    Grant(Choice),
    /// Takes a role away, and ends the user's sessions. The last active admin stays one.
    Revoke(Choice),
}

#[derive(clap::Args)]
struct Choice {
    /// Which.
    #[arg(value_parser = ["creator", "moderator", "admin"])]
    role: String,
    #[command(flatten)]
    whose: Whose,
    /// The account is a contract's, which is somebody else's on another chain: it is named with its chain.
    #[arg(long, requires = "account")]
    contract: bool,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// An account of the user: an address, or CAIP-10 such as `eip155:1:0x...`.
    #[arg(long)]
    account: Option<String>,
    /// The user's id.
    #[arg(long)]
    user: Option<Uuid>,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (choice, granted) = match &arguments.what {
        What::Grant(choice) => (choice, true),
        What::Revoke(choice) => (choice, false),
    };
    let has_chain = choice.whose.account.as_ref().is_none_or(|account| account.contains(':'));
    anyhow::ensure!(has_chain || !choice.contract, "a contract is named with its chain: eip155:1:0x...");
    let ask = SetRoleRequest {
        who: who(&choice.whose),
        role: choice.role.clone(),
        granted,
        reason: choice.reason.clone(),
        expected_revision: 0,
        account_type: if choice.contract { "contract".to_owned() } else { String::new() },
    };
    let mut users = UserServiceClient::new(arguments.certs.channel("user", &arguments.service)?);
    let user = answer(users.set_role(ask).await)?.user.unwrap_or_default();
    println!("user {} is {}", user.user_id, user.roles.join(", "));
    Ok(())
}

/// A key's account is the same on every chain, so any chain names it.
fn who(whose: &Whose) -> Option<Who> {
    let account = whose
        .account
        .as_ref()
        .map(|account| if account.contains(':') { account.clone() } else { format!("eip155:1:{account}") });
    account.map(Who::AccountId).or(whose.user.map(|id| Who::UserId(id.to_string())))
}
