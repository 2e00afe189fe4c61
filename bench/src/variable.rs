//! What the command that started us left in the environment.

use std::path::PathBuf;

use anyhow::Context;
use xtask::{
    fleet::{Fleet, Profile},
    ports::Ports,
};

/// A variable of the fleet's environment.
pub(crate) fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run `cargo xtask bench <name>`"))
}

/// The folder with the fleet's pid files.
pub(crate) fn run_folder() -> anyhow::Result<PathBuf> {
    Ok(variable("VITRINE_RUN")?.into())
}

/// The fleet whose stores run already, with programs built as this one is.
pub(crate) fn fleet() -> anyhow::Result<Fleet> {
    let run = run_folder()?;
    let folder = run.parent().context("the folder of a fleet has a name")?;
    let is_release = std::env::current_exe()?.components().any(|part| part.as_os_str() == "release");
    let profile = if is_release { Profile::Release } else { Profile::Dev };
    // The ports are those that the running stores are recorded with.
    Ok(Fleet::open(folder, Ports::Documented)?.built_as(profile))
}
