//! Declares everything on the broker; services have the rights to use what is theirs, not to declare it.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use bus::declare::{self, Api};
use launch::Secret;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The vhost, with an administrator's name and password.
    #[arg(long, env = "VITRINE_AMQP_ADMIN_URL", hide_env_values = true)]
    amqp: String,
    /// The management API, with the same.
    #[arg(long, env = "VITRINE_AMQP_API", hide_env_values = true)]
    api: String,
    /// A JSON file with a password for each service's user.
    #[arg(long)]
    users: Option<PathBuf>,
}

pub(crate) async fn declare(arguments: &Arguments) -> anyhow::Result<()> {
    let amqp = Secret::from(arguments.amqp.clone());
    let api = Api::new(&Secret::from(arguments.api.clone()))?;
    let vhost = declare::vhost_of(&amqp)?;
    declare::vhost(&api, &vhost).await?;
    declare::topology(&amqp, &api).await?;
    let mut users = 0;
    if let Some(path) = &arguments.users {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let passwords: BTreeMap<String, String> =
            serde_json::from_str(&text).context("the users file is not JSON")?;
        for service in bus::rights::services() {
            let password =
                passwords.get(service).with_context(|| format!("the users file lacks {service}"))?;
            let permissions = bus::rights::permissions(service);
            declare::user(&api, &vhost, service, &Secret::from(password.clone()), &permissions).await?;
            users += 1;
        }
    }
    println!("topology: declared in vhost {vhost}, {users} users");
    Ok(())
}
