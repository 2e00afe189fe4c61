//! **desk** is the operator's tool: certificates, topology, the local chain's contracts, dead letters, the indexer, roles,
//! suspensions, signing keys and sessions, and a proof that the whole fleet works. `cargo xtask` runs it with the
//! variables of `.vitrine/run/env`.

mod certs;
mod deploy;
mod dlq;
mod frontend;
mod index;
mod keys;
mod mint;
mod operator;
mod proof;
mod registry;
mod role;
mod seed;
mod sessions;
mod sign_in;
mod socket;
mod suspend;
mod topology;
mod wallet;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use url::Url;

/// The operator's tool of Vitrine.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the authority and a certificate for each process; keeps those that are good for long enough.
    Certs(certs::Arguments),
    /// Declares the broker's exchanges, queues, policies and users.
    Topology(topology::Arguments),
    /// Deploys the contracts on the local chain where they are missing, and registers them.
    Deploy(Fleet),
    /// Makes a collection with a few tokens, where there is none.
    Seed(Fleet),
    /// Signs in, creates a collection, mints, and tells how long each step took to reach a socket.
    Proof(Fleet),
    /// Shows the fleet at work.
    Demo(Demo),
    /// Looks at dead messages, puts them back, or drops them.
    Dlq(dlq::Arguments),
    /// The indexer: how far chains are read, what was read, and work over ranges of blocks.
    Index(index::Arguments),
    /// Gives or takes away a role: `role grant --account 0x... admin` makes the first admin.
    Role(role::Arguments),
    /// Suspends a user, which ends their sessions; with `--lift` lets them in again.
    Suspend(suspend::Arguments),
    /// Rotates the keys that access tokens are signed with.
    Keys(keys::Arguments),
    /// Ends the sessions of a user.
    Sessions(sessions::Arguments),
}

/// Where the fleet is.
#[derive(clap::Args, Clone)]
struct Fleet {
    /// The gateway.
    #[arg(long, env = "VITRINE_GATEWAY_URL", default_value = "http://127.0.0.1:8081")]
    gateway: Url,
    /// The local chain's node.
    #[arg(long, env = "VITRINE_RPC_URL", default_value = "http://127.0.0.1:18545")]
    node: Url,
    /// The chain-registry.
    #[arg(long, env = "VITRINE_CHAIN_REGISTRY_URL", default_value = "https://127.0.0.1:50056")]
    registry: Url,
    /// The folder with the certificates.
    #[arg(long, env = "VITRINE_CERTS_DIR", default_value = ".vitrine/run/certs")]
    certs: PathBuf,
}

#[derive(clap::Args)]
struct Demo {
    #[command(subcommand)]
    what: DemoKind,
}

#[derive(Subcommand)]
enum DemoKind {
    /// Mints tokens and prints a line for each as the subscription delivers it.
    Mint {
        /// How many tokens.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        count: u32,
        #[command(flatten)]
        fleet: Fleet,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Arguments::parse().command {
        Command::Certs(arguments) => certs::make(&arguments),
        Command::Topology(arguments) => topology::declare(&arguments).await,
        Command::Deploy(fleet) => deploy::deploy(&fleet).await,
        Command::Seed(fleet) => seed::seed(&fleet).await,
        Command::Proof(fleet) => proof::proof(&fleet).await,
        Command::Demo(Demo { what: DemoKind::Mint { count, fleet } }) => mint::demo(&fleet, count).await,
        Command::Dlq(arguments) => dlq::run(&arguments).await,
        Command::Index(arguments) => index::run(&arguments).await,
        Command::Role(arguments) => role::run(&arguments).await,
        Command::Suspend(arguments) => suspend::run(&arguments).await,
        Command::Keys(arguments) => keys::run(&arguments).await,
        Command::Sessions(arguments) => sessions::run(&arguments).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_line_says_all_that_its_work_needs_or_is_refused() {
        Arguments::command().debug_assert();
        let parses = |line: &str| {
            let words = ["desk", "index"].into_iter().chain(line.split_whitespace());
            Arguments::try_parse_from(words).is_ok()
        };
        for line in [
            "status --watch",
            "status --chain eip155:1",
            "--chain eip155:1 status",
            "events --tx 0x12",
            "events --from 1 --to 9 --contract 0x1 --event Transfer --removed --json",
            "probe 0x1",
            "register 0x1 --from-block 5 --standard ERC721 --name it",
            "backfill 0x1 --from 1",
            "replay --from 1 --to 2 --dry-run",
            "rewind --from 5 --dry-run",
            "rewind --from 5 --yes",
            "verify --detach",
            "jobs --count 5",
            "job 7 --watch",
            "cancel 7",
        ] {
            assert!(parses(line), "{line}");
        }
        for line in [
            "events",
            "events --from 1",
            "events --tx 0x1 --from 1 --to 2",
            "rewind --from 5",
            "rewind --from 5 --yes --dry-run",
            "rewind --yes",
            "register 0x1 --standard ERC777",
            "jobs --count 101",
            "job",
        ] {
            assert!(!parses(line), "{line}");
        }
    }
}
