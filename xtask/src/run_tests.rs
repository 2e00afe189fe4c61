//! `cargo xtask test`: stores for the run, every test of the workspace, and one count at the end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::check::{cargo, phase};
use crate::progress::Step;
use crate::trial_stores::Trial;
use crate::{interrupt, preflight, repository};

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

/// `arguments` go to `cargo test`; without any, the whole workspace is tested.
pub fn run_tests(arguments: &[String], may_install: bool) -> Result<()> {
    preflight::check(may_install)?;
    interrupt::catch();
    // The end-to-end tests start the programs themselves.
    phase("build", cargo(&["build", "--workspace", "--quiet"]))?;
    phase("build tests", cargo_test(&["--no-run", "--quiet"], arguments))?;

    // With its packages there, the checked-in output is held against a fresh compilation.
    let mut packages = Command::new("npm");
    packages.args(["ci", "--no-audit", "--no-fund", "--silent", "--prefix", "contracts"]);
    phase("contracts' packages", packages)?;

    // The set that a developer keeps running is used and left running; otherwise there is one for this run only.
    let kept = Trial::open(&repository().join(".vitrine/test"), 21_000)?;
    if kept.is_running() {
        return test_with(&kept, arguments);
    }
    let own = Trial::open(&repository().join(".vitrine/test-run"), 23_000)?;
    let result = test_with(&own, arguments);
    let step = Step::begin("stop stores");
    own.stop()?;
    step.done("");
    result
}

fn cargo_test(options: &[&str], arguments: &[String]) -> Command {
    let mut test = cargo(&["test"]);
    test.args(options);
    if arguments.is_empty() {
        test.arg("--workspace");
    }
    test.args(arguments);
    test
}

fn test_with(stores: &Trial, arguments: &[String]) -> Result<()> {
    let exports = stores.start()?;
    let mut on_a_chain = Command::new("node");
    on_a_chain.arg("contracts/test.mjs").envs(exports.clone());
    phase("contracts on a chain", on_a_chain)?;
    let step = Step::begin("tests");
    let mut test = cargo_test(&["--no-fail-fast"], arguments);
    test.envs(exports).env("VITRINE_CONTRACTS_NPM", "1").current_dir(repository()).stdout(Stdio::piped());
    let mut running = test.spawn().context("cargo cannot be run")?;
    let output = running.stdout.take().context("cargo's output was asked for")?;
    let mut count = Count::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        count.add(&line);
    }
    let status = running.wait()?;
    let summary = format!("{} passed, {} failed", count.passed, count.failed);
    match status.success() && !interrupt::came() {
        true => step.done(""),
        false => step.failed(""),
    }
    println!("{summary}");
    if !status.success() {
        bail!("tests ended with {status}: {summary}");
    }
    Ok(())
}

impl Count {
    /// Adds a line such as `test result: ok. 3 passed; 1 failed; 0 ignored; ...`; other lines add nothing.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        let number = |what: &str| {
            let before = result.split_once(what)?.0;
            before.rsplit([' ', ';', '.']).find(|word| !word.is_empty())?.parse::<u64>().ok()
        };
        self.passed += number(" passed").unwrap_or(0);
        self.failed += number(" failed").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_summed_and_other_lines_are_not() {
        let mut count = Count::default();
        for line in [
            "running 3 tests",
            "test a_name_with_9 passed ... ok",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            count.add(line);
        }
        assert_eq!(count, Count { passed: 15, failed: 2 });
    }
}
