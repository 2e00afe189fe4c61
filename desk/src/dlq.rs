//! Dead messages: a line each, and the two ways out.

use anyhow::{Context, bail};
use bus::deadletter::{self, Which};
use events::topology::{self, Queue};
use launch::Secret;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The vhost, with an administrator's name and password.
    #[arg(long, global = true, env = "VITRINE_AMQP_ADMIN_URL", hide_env_values = true)]
    amqp: Option<String>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Shows dead messages: of one queue, or of all.
    List {
        /// The queue whose consumer gave them up.
        queue: Option<String>,
        /// Whole messages as JSON, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Puts dead messages back on the queue that they came from.
    Retry(Choice),
    /// Drops dead messages for good.
    Drop(Choice),
}

#[derive(clap::Args)]
struct Choice {
    /// The queue whose consumer gave them up.
    queue: String,
    /// One message, as `list` shows its id.
    #[arg(long, conflicts_with = "all")]
    id: Option<String>,
    /// All that are there now.
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let amqp = arguments.amqp.clone().context("VITRINE_AMQP_ADMIN_URL is not set: is the fleet up?")?;
    let amqp = Secret::from(amqp);
    match &arguments.what {
        What::List { queue, json } => list(&amqp, queue.as_deref(), *json).await,
        What::Retry(choice) => {
            let put_back = deadletter::retry(&amqp, named(&choice.queue)?, which(choice)?).await?;
            println!("{put_back} put back on {}", choice.queue);
            Ok(())
        }
        What::Drop(choice) => {
            let dropped = deadletter::drop(&amqp, named(&choice.queue)?, which(choice)?).await?;
            println!("{dropped} dropped from {}", choice.queue);
            Ok(())
        }
    }
}

async fn list(amqp: &Secret, queue: Option<&str>, json: bool) -> anyhow::Result<()> {
    let queues: Vec<&'static Queue> = match queue {
        Some(name) => vec![named(name)?],
        None => topology::QUEUES.to_vec(),
    };
    let mut count = 0;
    for queue in queues {
        for dead in deadletter::list(amqp, queue).await? {
            count += 1;
            if json {
                println!("{}", serde_json::to_string(&dead)?);
                continue;
            }
            let since = dead.first_failed_at.as_deref().unwrap_or("-");
            println!(
                "{}  {}  {}  attempts {}  since {since}",
                dead.queue, dead.id, dead.reason, dead.attempts
            );
            println!("    {}", dead.error);
        }
    }
    if !json {
        println!("{count} dead messages");
    }
    Ok(())
}

fn named(name: &str) -> anyhow::Result<&'static Queue> {
    let name = name.strip_suffix(".dead").unwrap_or(name);
    topology::find(name).with_context(|| format!("there is no queue {name}; docs/flows.md lists them"))
}

fn which(choice: &Choice) -> anyhow::Result<Which<'_>> {
    match (&choice.id, choice.all) {
        (Some(id), _) => Ok(Which::Id(id)),
        (None, true) => Ok(Which::All),
        (None, false) => bail!("say which: --id ID or --all"),
    }
}
