//! `cargo xtask rehearse`: would `.ci/run` pass in a fresh clone of what is committed?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::ports::Ports;
use crate::process::run;
use crate::progress::{Step, step};
use crate::trial_stores::Trial;
use crate::{interrupt, repository};

pub fn rehearse() -> Result<()> {
    interrupt::catch();
    let git = |arguments: &[&str]| run(Command::new("git").args(arguments).current_dir(repository()));
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    let record = repository().join(git(&["rev-parse", "--git-path", "rehearsed"])?.trim());
    let clone = PathBuf::from(format!("/var/tmp/vitrine-rehearsal-{}", std::process::id()));
    let from = repository();
    step(&format!("clone {}", &commit[..12]), || {
        run(Command::new("git").args(["clone", "--quiet", "--no-hardlinks"]).arg(&from).arg(&clone))?;
        run(Command::new("git").args(["checkout", "--quiet", &commit]).current_dir(&clone)).map(drop)
    })?;

    let began = Instant::now();
    let rehearsal = Step::begin(".ci/run");
    let passed = run_there(&clone);
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let word = if matches!(passed, Ok(true)) { "ok" } else { "failed" };
    fs::write(&record, format!("{commit} {minutes:.1} {word}\n"))?;
    clean_up(&clone)?;
    match passed? {
        true => {
            rehearsal.done(format!("{minutes:.1} minutes, written to {}", record.display()));
            Ok(())
        }
        false => {
            rehearsal.failed("");
            bail!("the rehearsal of {commit} failed after {minutes:.1} minutes, see above")
        }
    }
}

fn run_there(clone: &Path) -> Result<bool> {
    let Ports::From(base) = Ports::free_block(25_000)? else { bail!("a free block has a base") };
    let mut run = Command::new("bash");
    run.arg(".ci/run").current_dir(clone).env("CARGO_TARGET_DIR", clone.join("target"));
    // What cargo told us about ourselves must not reach the clone's own cargo.
    for (name, _) in std::env::vars_os() {
        let is_ours =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_") || name.starts_with("VITRINE_"));
        if is_ours && name != "CARGO_HOME" && name != "CARGO_TARGET_DIR" {
            run.env_remove(name);
        }
    }
    Ok(run.env("VITRINE_PORT_BASE", base.to_string()).status()?.success() && !interrupt::came())
}

/// Whatever `.ci/run` left running when it was cut off ends with the clone.
fn clean_up(clone: &Path) -> Result<()> {
    for name in ["test", "test-run"] {
        let folder = clone.join(".vitrine").join(name);
        if folder.exists() {
            Trial::open(&folder, 25_000)?.stop()?;
        }
    }
    Ok(fs::remove_dir_all(clone)?)
}
