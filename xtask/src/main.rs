//! `cargo xtask`: reads the command line and hands over.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use xtask::check::{cargo, phase};
use xtask::fleet::{Fleet, Profile};
use xtask::soak::{Seeds, Soaked};
use xtask::trial_stores::{Trial, as_lines};
use xtask::{
    bench, check, interrupt, preflight, prepare_queries, rehearse, repository, run_tests, soak, status, up,
};

/// Everything this repository can do, each by one command.
///
/// Newcomers: `cargo xtask up` starts the whole system on this machine and proves that it works; `cargo xtask test`
/// runs every test. Both fetch and start what they need, listen on loopback only, and keep all of their data in
/// `.vitrine/` (tools in `~/.cache/vitrine/`). `VITRINE_PORT_BASE=21000` moves every port.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
struct Line {
    #[command(subcommand)]
    command: Ask,
}

#[derive(Subcommand)]
enum Ask {
    /// Start everything: stores, chain, contracts, ten processes; then a live proof and the links
    Up {
        /// Return when everything is up; `down` stops it
        #[arg(long)]
        detach: bool,
        /// Never install a package; say what is missing instead
        #[arg(long)]
        no_install: bool,
        /// Leave out the proof
        #[arg(long)]
        no_proof: bool,
    },
    /// Stop everything that `up` started; the data stays
    Down,
    /// Every process with its state; fails when one is not well
    Status,
    /// The log of one process
    Logs {
        name: String,
        /// Go on printing as it grows
        #[arg(short, long)]
        follow: bool,
    },
    /// Stop and start one service or store
    Restart { name: String },
    /// Stop everything and forget all data
    Reset,
    /// Build and restart one service
    Dev { service: String },
    /// Watch things happen on the running system: `demo mint --count 3`
    #[command(disable_help_flag = true)]
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Log in, mint, and see the token arrive over the socket, each with its time
    #[command(disable_help_flag = true)]
    Proof {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Messages that nobody could handle: `dlq list [queue]`, `dlq retry|drop <queue> --all|--id <id>`
    #[command(disable_help_flag = true)]
    Dlq {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Issue the fleet's certificates anew; running services take them without a restart
    #[command(disable_help_flag = true)]
    Certs {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The indexer: `index status|events|probe|register|backfill|replay|rewind|verify|jobs|job|cancel`
    #[command(disable_help_flag = true)]
    Index {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Roles of users: `role grant --account <address> admin` makes the first admin
    #[command(disable_help_flag = true)]
    Role {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Suspend a user, which ends their sessions: `suspend <user-id>`; `--lift` lets them in again
    #[command(disable_help_flag = true)]
    Suspend {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The keys that sign access tokens: `keys rotate`; `--at-once` when one was lost to somebody
    #[command(disable_help_flag = true)]
    Keys {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// End all sessions of a user: `sessions revoke --user <user-id>`
    #[command(disable_help_flag = true)]
    Sessions {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Format, lints, dependencies and house rules
    Check,
    /// Stores for the run, then every test, then one count; arguments go to `cargo test`
    Test {
        /// Never install a package; say what is missing instead
        #[arg(long)]
        no_install: bool,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure a fleet of its own against named peers and limits: `bench logins`, `bench indexer`
    Bench {
        /// Which programs are measured; figures of `dev` mean nothing
        #[arg(long, value_enum, default_value = "release")]
        profile: Profile,
        /// Take the programs as they were built last
        #[arg(long)]
        no_build: bool,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Random stories with many seeds against what they must come to: `soak indexer --seeds 20`
    Soak {
        #[arg(value_enum)]
        what: Soaked,
        /// How many seeds
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,
        /// The first of them; a failure names its seed
        #[arg(long, default_value_t = 1)]
        first: u64,
        /// How much happens in each story
        #[arg(long, default_value_t = 60)]
        steps: u64,
    },
    /// Run `.ci/run` in a fresh clone of the last commit; leaves the result in `.git/rehearsed`
    Rehearse,
    /// Check every query against real databases and refresh `.sqlx`
    Sqlx,
    /// Throw-away stores for tests; prints the variables by which tests find them
    Stores {
        /// Stop them and forget their data
        #[arg(long)]
        stop: bool,
    },
}

fn main() -> ExitCode {
    match run(Line::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line that says the way out is worth more than a backtrace.
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Ask) -> Result<()> {
    match command {
        Ask::Up { detach, no_install, no_proof } => {
            up::up(&up::Wish { detach, may_install: !no_install, proof: !no_proof })
        }
        Ask::Down => locked(Fleet::down),
        Ask::Status => status::status(&Fleet::of_clone()?),
        Ask::Logs { name, follow } => logs(&name, follow),
        Ask::Restart { name } => locked(|fleet| fleet.restart(&name)),
        Ask::Reset => locked(|fleet| fleet.down().and_then(|()| fleet.erase())),
        Ask::Dev { service } => dev(&service),
        Ask::Demo { arguments } => desk("demo", &arguments),
        Ask::Proof { arguments } => desk("proof", &arguments),
        Ask::Dlq { arguments } => desk("dlq", &arguments),
        Ask::Certs { arguments } => desk("certs", &arguments),
        Ask::Index { arguments } => desk("index", &arguments),
        Ask::Role { arguments } => desk("role", &arguments),
        Ask::Suspend { arguments } => desk("suspend", &arguments),
        Ask::Keys { arguments } => desk("keys", &arguments),
        Ask::Sessions { arguments } => desk("sessions", &arguments),
        Ask::Check => check::check(),
        Ask::Test { no_install, arguments } => run_tests::run_tests(&arguments, !no_install),
        Ask::Rehearse => rehearse::rehearse(),
        Ask::Bench { profile, no_build, arguments } => bench::bench(profile, !no_build, &arguments),
        Ask::Soak { what, seeds, first, steps } => soak::soak(what, Seeds { first, count: seeds, steps }),
        Ask::Sqlx => prepare_queries::prepare_queries(),
        Ask::Stores { stop } => stores(stop),
    }
}

fn locked(work: impl FnOnce(&Fleet) -> Result<()>) -> Result<()> {
    let fleet = Fleet::of_clone()?;
    let _lock = fleet.lock()?;
    work(&fleet)
}

/// Becomes `tail`.
fn logs(name: &str, follow: bool) -> Result<()> {
    let path = Fleet::of_clone()?.room().log(name);
    if !path.exists() {
        bail!("{name} has no log at {}: was it ever started?", path.display());
    }
    let mut tail = Command::new("tail");
    tail.args(["-n", "200"]).args(follow.then_some("-F")).arg(path);
    Err(tail.exec().into())
}

/// Built with the features of the whole workspace, so that nothing is compiled twice.
fn dev(service: &str) -> Result<()> {
    let fleet = Fleet::of_clone()?;
    phase("build", cargo(&["build", "--workspace", "--bin", service]))?;
    let _lock = fleet.lock()?;
    fleet.restart(service)
}

/// Builds the second binary and becomes it.
fn desk(subcommand: &str, arguments: &[String]) -> Result<()> {
    let fleet = Fleet::of_clone()?;
    let is_help = arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    if fleet.room().names().is_empty() && subcommand != "certs" && !is_help {
        bail!("nothing runs here: `cargo xtask up` first");
    }
    if !cargo(&["build", "--quiet", "--workspace", "--bin", "desk"])
        .current_dir(repository())
        .status()?
        .success()
    {
        bail!("desk does not build, see above");
    }
    Err(fleet.desk_command(subcommand)?.args(arguments).exec().into())
}

fn stores(stop: bool) -> Result<()> {
    let trial = Trial::open(&repository().join(".vitrine/test"), 21_000)?;
    if stop {
        return trial.stop();
    }
    preflight::check(true)?;
    interrupt::catch();
    print!("{}", as_lines(&trial.start()?));
    Ok(())
}
