//! The outside client that mints and listens while things break.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdout},
    time::Duration,
};

use anyhow::{Context, ensure};
use e2e::Stage;
use serde_json::Value;

pub(crate) struct Load {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What the client saw in the end.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) tokens: Vec<u64>,
    pub(crate) twice: u64,
    pub(crate) cursors_twice: u64,
    pub(crate) breaks: u64,
}

impl Load {
    /// Begins once the client listens.
    pub(crate) fn begin(stage: &Stage, contract: &str, count: u32, every: Duration) -> anyhow::Result<Load> {
        let arguments =
            [contract.to_owned(), count.to_string(), every.as_millis().to_string(), "120000".to_owned()];
        let mut child = stage.script("load.mjs")?.args(arguments).spawn()?;
        let stdout = child.stdout.take().context("the client's output is piped")?;
        let mut load = Load { child, lines: BufReader::new(stdout).lines() };
        load.until("ready")?;
        Ok(load)
    }

    /// Waits until so many mints were sent.
    pub(crate) fn sent(&mut self, count: u32) -> anyhow::Result<()> {
        while self.until("sent")?["sent"].as_u64().unwrap_or(0) < u64::from(count) {}
        Ok(())
    }

    /// Waits until the client has seen all of them, or has given up.
    pub(crate) fn settled(&mut self) -> anyhow::Result<()> {
        self.until("waiting").map(drop)
    }

    /// Lets the client end and tell.
    pub(crate) fn end(mut self) -> anyhow::Result<Seen> {
        self.child.stdin.take().context("the client's input is piped")?.write_all(b"end\n")?;
        let said = self.until("tokens")?;
        let tokens = said["tokens"].as_array().cloned().unwrap_or_default();
        let number = |name: &str| said[name].as_u64().with_context(|| format!("the client tells {name}"));
        let seen = Seen {
            tokens: tokens.iter().filter_map(Value::as_u64).collect(),
            twice: number("twice")?,
            cursors_twice: number("cursorsTwice")?,
            breaks: number("breaks")?,
        };
        ensure!(self.child.wait()?.success(), "the client ended badly");
        Ok(seen)
    }

    fn until(&mut self, name: &str) -> anyhow::Result<Value> {
        loop {
            let line =
                self.lines.next().with_context(|| format!("the client ended before it said {name}"))??;
            let said: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            if let Some(why) = said.get("broke") {
                println!("    the client's socket broke: {why}");
            }
            if said.get(name).is_some() {
                return Ok(said);
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
