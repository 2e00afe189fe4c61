//! An outside client that says where it is and waits there until it is told to go on.

use std::{
    io::{BufRead, BufReader, Lines, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use anyhow::{Context, bail};
use e2e::Stage;

pub(crate) struct Led {
    child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Led {
    pub(crate) fn begin(stage: &Stage, script: &str) -> anyhow::Result<Led> {
        let mut child = stage.script(script)?.stderr(Stdio::piped()).spawn()?;
        let orders = child.stdin.take().context("the client's input is piped")?;
        let stdout = child.stdout.take().context("the client's output is piped")?;
        Ok(Led { child, orders, lines: BufReader::new(stdout).lines() })
    }

    /// The rest of the next line that begins so; None once the client has ended well. What went well before it is shown.
    pub(crate) fn next(&mut self, word: &str) -> anyhow::Result<Option<String>> {
        for line in self.lines.by_ref() {
            let line = line?;
            if line.starts_with("ok ") {
                println!("    {line}");
            }
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(Some(rest.trim().to_owned()));
            }
        }
        let mut complained = String::new();
        self.child.stderr.take().context("the client's errors are piped")?.read_to_string(&mut complained)?;
        if !self.child.wait()?.success() {
            bail!("the client failed: {complained}");
        }
        Ok(None)
    }

    pub(crate) fn go_on(&mut self) -> anyhow::Result<()> {
        Ok(self.orders.write_all(b"go\n")?)
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        // It has ended already, or the story has failed and nobody waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
