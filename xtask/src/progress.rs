//! One line a step, with how long it took.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

pub struct Step {
    name: String,
    began: Instant,
}

impl Step {
    pub fn begin(name: impl Into<String>) -> Self {
        Self { name: name.into(), began: Instant::now() }
    }

    pub fn done(self, note: impl Display) {
        line("ok", self.began.elapsed(), &self.name, note);
    }

    pub fn failed(self, note: impl Display) {
        line("FAILED", self.began.elapsed(), &self.name, note);
    }
}

/// Runs a step and prints its line whichever way it ends.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let step = Step::begin(name);
    match work() {
        Ok(value) => {
            step.done("");
            Ok(value)
        }
        Err(error) => {
            step.failed("");
            Err(error)
        }
    }
}

/// Progress goes to standard error: standard output is for what a script reads.
fn line(state: &str, took: Duration, name: &str, note: impl Display) {
    let text = format!("{state:>6} {:>7.1} s  {name:<22} {note}", took.as_secs_f64());
    // A closed terminal must not end the work.
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}
