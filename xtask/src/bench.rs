//! `cargo xtask bench <name>`: the programs as they are released, a fleet of its own, one measurement.

use std::process::Command;

use anyhow::{Result, bail};

use crate::check::{cargo, phase};
use crate::fleet::{Fleet, Profile, forget_cargo};
use crate::ports::Ports;
use crate::{interrupt, preflight, repository};

/// What a benchmark needs of the fleet.
struct Needs {
    /// The programs that are measured; all of them where none is named.
    measured: &'static [&'static str],
    /// Where the packages of its peers are. They are packages that other people publish.
    peers: Option<&'static str>,
}

/// `arguments` begin with the name of the benchmark.
pub fn bench(profile: Profile, may_build: bool, arguments: &[String]) -> Result<()> {
    preflight::check(true)?;
    interrupt::catch();
    let needs = needs(arguments.first().map_or("", String::as_str));
    if may_build {
        build(profile, &needs)?;
    }
    needs.peers.map_or(Ok(()), install)?;

    let is_whole = needs.measured.is_empty();
    // Who only prepares is not measured, and a build for development takes a tenth of the time.
    let fleet = anew(if is_whole { profile } else { Profile::Dev })?;
    let brought_up = match is_whole {
        true => fleet.up(),
        // The benchmark starts the others when it is time.
        false => fleet.start_stores().and_then(|()| fleet.prepare()),
    };
    let fleet = fleet.built_as(profile);
    let measured = brought_up.and_then(|()| run(&fleet, arguments));
    fleet.down()?;
    measured
}

fn needs(name: &str) -> Needs {
    const READERS: &[&str] = &["bench", "catalog", "chain-registry", "indexer"];
    match name {
        "logins" => Needs { measured: &[], peers: Some("e2e/clients") },
        "indexer" => Needs { measured: READERS, peers: Some("bench/peers/ponder") },
        "latency" => Needs { measured: READERS, peers: None },
        "raw-events" => Needs { measured: &["bench"], peers: None },
        _ => Needs { measured: &[], peers: None },
    }
}

fn build(profile: Profile, needs: &Needs) -> Result<()> {
    let release = (profile == Profile::Release).then_some("--release");
    if needs.measured.is_empty() {
        let mut all = cargo(&["build", "--workspace", "--bins", "--quiet"]);
        all.args(release);
        return phase("build", all);
    }
    phase("build what prepares", cargo(&["build", "--workspace", "--bins", "--quiet"]))?;
    let mut measured = cargo(&["build", "--bins", "--quiet"]);
    measured.args(release).args(needs.measured.iter().flat_map(|name| ["-p", name]));
    phase("build what is measured", measured)
}

/// Installs what a lock file pins, unless that was done. npm writes the first of these files last.
fn install(folder: &str) -> Result<()> {
    let folder = repository().join(folder);
    let written_at = |name: &str| folder.join(name).metadata().and_then(|file| file.modified()).ok();
    if written_at("node_modules/.package-lock.json") >= written_at("package-lock.json") {
        return Ok(());
    }
    let mut packages = Command::new("npm");
    packages.args(["ci", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder);
    phase("peers' packages", packages)
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
