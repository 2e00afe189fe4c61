//! `cargo xtask check`: format, lints, dependencies and house rules, with the time of each.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::CARGO_DENY;
use crate::progress::step;
use crate::repository;

/// Runs every phase even when one fails, so that one run shows all there is to mend.
pub fn check() -> Result<()> {
    let failed: Vec<&str> = [
        ("fmt", phase("fmt", cargo(&["fmt", "--all", "--check"]))),
        (
            "clippy",
            phase("clippy", cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
        ),
        ("deny", deny()),
        ("house rules", phase("house rules", cargo(&["test", "-p", "house", "--quiet"]))),
    ]
    .into_iter()
    .filter_map(|(name, result)| result.err().map(|_| name))
    .collect();
    if !failed.is_empty() {
        bail!("check: {} failed, see above", failed.join(", "));
    }
    Ok(())
}

fn deny() -> Result<()> {
    let deny = CARGO_DENY.path().inspect_err(|error| eprintln!("{error:#}"))?;
    let mut command = Command::new(deny);
    command.args(["--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    phase("deny", command)
}

pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

/// One phase with its output shown as it comes.
pub fn phase(name: &str, mut command: Command) -> Result<()> {
    step(name, || {
        let status =
            command.current_dir(repository()).status().with_context(|| format!("{name} cannot be run"))?;
        if !status.success() {
            bail!("{name} ended with {status}");
        }
        Ok(())
    })
}
