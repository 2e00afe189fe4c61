//! `cargo xtask soak <what>`: a test whose input is random, with many seeds, and a table of what came of them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::check::{cargo, phase};
use crate::progress::Step;
use crate::trial_stores::{Exports, Trial};
use crate::{interrupt, preflight, repository};

/// So many seeds must have seen everything that may happen; each story is told of what did not happen, too.
const ENOUGH: u64 = 10;

/// What can be soaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Soaked {
    /// Random chains, reorganisations, deaths and lies against a clean scan.
    Indexer,
}

/// Which stories are told.
#[derive(Debug, Clone, Copy)]
pub struct Seeds {
    pub first: u64,
    pub count: u64,
    pub steps: u64,
}

/// Runs the seeds one after the other; fails when one of them diverges.
pub fn soak(what: Soaked, seeds: Seeds) -> Result<()> {
    let Soaked::Indexer = what;
    preflight::check(true)?;
    interrupt::catch();
    phase("build tests", cargo(&["test", "-p", "indexer", "--test", "it", "--no-run", "--quiet"]))?;
    let kept = Trial::open(&repository().join(".vitrine/test"), 21_000)?;
    if kept.is_running() {
        return soak_with(&kept.start()?, seeds);
    }
    let own = Trial::open(&repository().join(".vitrine/test-run"), 23_000)?;
    let result = own.start().and_then(|exports| soak_with(&exports, seeds));
    let step = Step::begin("stop stores");
    own.stop()?;
    step.done("");
    result
}

fn soak_with(exports: &Exports, seeds: Seeds) -> Result<()> {
    let mut test = cargo(&["test", "-p", "indexer", "--test", "it", "--quiet", "--"]);
    test.args(["oracle::every_random_chain_of_a_soak_is_told_as_it_is", "--exact", "--nocapture"]);
    test.envs(exports).env("VITRINE_SOAK", format!("{}:{}:{}", seeds.first, seeds.count, seeds.steps));
    let mut running =
        test.current_dir(repository()).stdout(Stdio::piped()).spawn().context("cargo cannot be run")?;
    let output = running.stdout.take().context("cargo's output was asked for")?;
    let (mut table, mut began) = (Table::default(), Instant::now());
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        match Row::parse(&line) {
            Some(row) => {
                println!("{line} seconds={}", began.elapsed().as_secs());
                began = Instant::now();
                table.add(&row);
            }
            None if !line.trim().is_empty() => println!("{line}"),
            None => {}
        }
    }
    let status = running.wait()?;
    print!("{}", table.text());
    if table.seeds != seeds.count {
        bail!("{} of {} seeds were told to the end", table.seeds, seeds.count);
    }
    if !status.success() || table.divergences > 0 {
        bail!("the soak ended with {status}: {} divergences, see above", table.divergences);
    }
    let missing = table.missing();
    if seeds.count >= ENOUGH && !missing.is_empty() {
        bail!("so many stories and never: {}", missing.join(", "));
    }
    Ok(())
}

/// What one seed came to, as the test prints it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    numbers: BTreeMap<String, u64>,
    reorgs: BTreeMap<String, u64>,
    deaths: BTreeMap<String, u64>,
    lies: BTreeMap<String, u64>,
}

impl Row {
    /// Reads `oracle seed=1 blocks=80 reorgs=1:2,64:1 deaths=signal:1 ...`; `None` for any other line.
    fn parse(line: &str) -> Option<Row> {
        let (_, fields) = line.split_once("oracle seed=")?;
        let mut row = Row::default();
        for (name, value) in fields.split_whitespace().skip(1).filter_map(|field| field.split_once('=')) {
            match name {
                "reorgs" => row.reorgs = counts(value),
                "deaths" => row.deaths = counts(value),
                "lies" => row.lies = counts(value),
                _ => drop(row.numbers.insert(name.to_owned(), value.parse().ok()?)),
            }
        }
        Some(row)
    }
}

fn counts(text: &str) -> BTreeMap<String, u64> {
    let counts = text.split(',').filter_map(|count| count.rsplit_once(':'));
    counts.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect()
}

/// All seeds together.
#[derive(Debug, Default)]
struct Table {
    seeds: u64,
    divergences: u64,
    sums: Row,
}

impl Table {
    fn add(&mut self, row: &Row) {
        self.seeds += 1;
        self.divergences += row.numbers.get("divergences").copied().unwrap_or(0);
        for (sums, of) in [
            (&mut self.sums.numbers, &row.numbers),
            (&mut self.sums.reorgs, &row.reorgs),
            (&mut self.sums.deaths, &row.deaths),
            (&mut self.sums.lies, &row.lies),
        ] {
            of.iter().for_each(|(name, count)| *sums.entry(name.clone()).or_default() += count);
        }
    }

    /// What never happened in any of the stories though it may.
    fn missing(&self) -> Vec<&str> {
        let Row { reorgs, deaths, lies, .. } = &self.sums;
        let counts = reorgs.iter().chain(deaths).chain(lies);
        counts.filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str()).collect()
    }

    fn text(&self) -> String {
        let mut lines = vec![("seeds".to_owned(), self.seeds)];
        let deaths: u64 = self.sums.deaths.values().sum();
        let mut reorgs: Vec<_> = self.sums.reorgs.iter().collect();
        reorgs.sort_by_key(|(name, _)| (name.parse::<u64>().unwrap_or(u64::MAX), (*name).clone()));
        lines.extend(reorgs.into_iter().map(|(name, count)| (format!("reorganisations, {name}"), *count)));
        lines.push(("deaths".to_owned(), deaths));
        lines.extend(self.sums.deaths.iter().map(|(name, count)| (format!("  {name}"), *count)));
        lines.push(("lies".to_owned(), self.sums.lies.values().sum()));
        lines.extend(self.sums.lies.iter().map(|(name, count)| (format!("  {name}"), *count)));
        for name in ["blocks", "events", "retractions", "orphans", "divergences"] {
            lines.push((name.to_owned(), self.sums.numbers.get(name).copied().unwrap_or(0)));
        }
        lines.iter().map(|(name, count)| format!("{name:<32}{count:>8}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "test x ... oracle seed=3 blocks=90 reorgs=1:2,64:1,flip:1 deaths=signal:1,indexer.reverted:0 lies=WrongHash:2,Slow:0 divergences=0";

    #[test]
    fn a_line_of_the_test_is_read_and_others_are_not() {
        let row = Row::parse(LINE).unwrap();
        assert_eq!((row.numbers["blocks"], row.lies["WrongHash"], row.reorgs["64"]), (90, 2, 1));
        assert_eq!(row.deaths.len(), 2);
        assert_eq!(Row::parse("running 1 test"), None);
        assert!(Row::parse("oracle seed=3 reorgs=- deaths=-").unwrap().reorgs.is_empty());
    }

    #[test]
    fn seeds_are_summed_and_depths_are_in_their_order() {
        let mut table = Table::default();
        let row = Row::parse(LINE).unwrap();
        table.add(&row);
        table.add(&row);
        let text = table.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(" 2") && lines[0].starts_with("seeds"));
        assert!(lines[1].starts_with("reorganisations, 1 ") && lines[1].ends_with(" 4"));
        assert!(lines[2].starts_with("reorganisations, 64") && lines[3].starts_with("reorganisations, flip"));
        assert!(text.contains("divergences") && !text.contains("seed "));
        assert!(text.contains("  Slow ") && text.contains("  indexer.reverted "));
    }

    #[test]
    fn what_never_happened_is_missed_until_it_has() {
        let mut table = Table::default();
        table.add(&Row::parse(LINE).unwrap());
        assert_eq!(table.missing(), ["indexer.reverted", "Slow"]);
        table.add(&Row::parse("oracle seed=4 deaths=indexer.reverted:1 lies=Slow:3").unwrap());
        assert!(table.missing().is_empty());
    }
}
