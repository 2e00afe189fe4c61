//! `cargo xtask bench <name>`: the programs as they are released, a fleet of its own, one measurement.

use std::process::Command;

use anyhow::{Result, bail};

use crate::check::{cargo, phase};
use crate::fleet::{Fleet, Profile, forget_cargo};
use crate::ports::Ports;
use crate::{interrupt, preflight, repository};

/// `arguments` begin with the name of the benchmark.
pub fn bench(profile: Profile, arguments: &[String]) -> Result<()> {
    preflight::check(true)?;
    interrupt::catch();
    let mut build = cargo(&["build", "--workspace", "--bins", "--quiet"]);
    build.args((profile == Profile::Release).then_some("--release"));
    phase("build", build)?;
    // The peers are packages that other people publish. npm writes the first of these files last.
    let clients = repository().join("e2e/clients");
    let written_at = |name: &str| clients.join(name).metadata().and_then(|file| file.modified()).ok();
    if written_at("node_modules/.package-lock.json") < written_at("package-lock.json") {
        let mut packages = Command::new("npm");
        packages.args(["ci", "--no-audit", "--no-fund", "--silent", "--prefix", "e2e/clients"]);
        phase("peers' packages", packages)?;
    }

    let fleet = anew(profile)?;
    let measured = fleet.up().and_then(|()| run(&fleet, arguments));
    fleet.down()?;
    measured
}

/// A fleet that remembers nothing: what an earlier run left would be measured too.
fn anew(profile: Profile) -> Result<Fleet> {
    let folder = repository().join(".vitrine/bench");
    let open = || Fleet::open(&folder, Ports::free_block(24_000)?);
    let earlier = open()?;
    earlier.down()?;
    earlier.erase()?;
    Ok(open()?.built_as(profile))
}

fn run(fleet: &Fleet, arguments: &[String]) -> Result<()> {
    let mut bench = Command::new(fleet.binary("bench"));
    forget_cargo(&mut bench);
    let status = bench.args(arguments).envs(fleet.env()?).current_dir(repository()).status()?;
    if !status.success() || interrupt::came() {
        bail!("the benchmark ended with {status}, see above; logs are in .vitrine/bench/logs");
    }
    Ok(())
}
