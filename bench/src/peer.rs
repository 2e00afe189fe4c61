//! The named peers: what Node takes for the check alone, with the packages that sites use for it.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use alloy::primitives::hex;
use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::login::Signed;

/// What a peer says of the messages that it was given.
#[derive(Debug, Deserialize)]
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    /// CPU time of one check, user and system, after a warm-up.
    pub(crate) micros: f64,
}

impl Checked {
    pub(crate) fn each(&self) -> Duration {
        Duration::from_secs_f64(self.micros / 1e6)
    }
}

/// Lets each peer check the good messages and the bad ones, and makes sure that it finds what we found.
pub(crate) fn peers(good: &[Signed], bad: &[Signed]) -> anyhow::Result<Vec<Checked>> {
    let written = |signed: &Signed| {
        let signature = hex::encode_prefixed(signed.signature);
        json!({ "message": signed.message, "signature": signature, "address": signed.address })
    };
    let lines = json!({
        "good": good.iter().map(written).collect::<Vec<_>>(),
        "bad": bad.iter().map(written).collect::<Vec<_>>(),
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/clients");
    let mut node = Command::new("node");
    node.arg("verify.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = node.spawn().context("node cannot be run")?;
    running.stdin.take().context("its input is ours")?.write_all(lines.to_string().as_bytes())?;
    let output = running.wait_with_output()?;
    ensure!(output.status.success(), "verify.mjs ended with {}", output.status);
    let checked: Vec<Checked> = serde_json::from_slice(&output.stdout).context("verify.mjs said no JSON")?;
    for peer in &checked {
        ensure!(
            (peer.accepted, peer.refused) == (good.len(), bad.len()),
            "{} accepts {} of {} and refuses {} of {}: nothing is compared",
            peer.name,
            peer.accepted,
            good.len(),
            peer.refused,
            bad.len(),
        );
    }
    Ok(checked)
}
