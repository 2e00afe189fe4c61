//! Two indexers that compete for the same stores, and what kills them.

use std::{os::unix::process::ExitStatusExt, path::PathBuf, time::Duration};

use alloy::primitives::B256;
use serde_json::json;
use tokio::time::Instant;

use super::rng::Rng;
use crate::rig::{Birth, Killed, Rig, Stores};

/// Every edge at which a death could lose or repeat something.
pub(crate) const EDGES: [&str; 6] = [
    "indexer.raw_written",
    "indexer.tx_committed",
    "indexer.mid_revert",
    "indexer.reverted",
    "indexer.job_raw_written",
    "indexer.job_committed",
];
pub(crate) const LOOKS_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Fleet<'a> {
    rig: &'a Rig,
    stores: &'a Stores,
    folder: PathBuf,
    processes: Vec<Killed>,
    /// Deaths by a fail point, by its name, and by a signal.
    pub(crate) deaths: std::collections::BTreeMap<String, u64>,
    armed: Vec<String>,
    births: u64,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(rig: &'a Rig, stores: &'a Stores, rng: &mut Rng) -> Fleet<'a> {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut fleet = Fleet {
            rig,
            stores,
            folder,
            processes: vec![],
            deaths: Default::default(),
            armed: vec![],
            births: 0,
        };
        for _ in 0..2 {
            let (process, failpoint) = fleet.bear(rng, true);
            fleet.processes.push(process);
            fleet.armed.push(failpoint);
        }
        fleet
    }

    fn bear(&mut self, rng: &mut Rng, is_mortal: bool) -> (Killed, String) {
        let edge = *rng.pick(&EDGES).unwrap();
        let failpoint = match is_mortal && rng.chance(60) {
            true => format!("{edge}:{}", rng.between(1, 3)),
            false => String::new(),
        };
        self.bear_with(failpoint)
    }

    fn bear_with(&mut self, failpoint: String) -> (Killed, String) {
        self.births += 1;
        let log = self.log(self.births);
        let birth = Birth { failpoint: &failpoint, lease_secs: 1, log: Some(log) };
        (self.rig.spawn_as(self.stores, &birth), failpoint)
    }

    fn log(&self, birth: u64) -> PathBuf {
        self.folder.join(format!("{birth}.log"))
    }

    /// Replaces who has died. A death that nobody arranged is told.
    pub(crate) fn tend(&mut self, rng: &mut Rng, is_mortal: bool) -> Result<(), String> {
        for place in 0..self.processes.len() {
            let Some(status) = self.processes[place].ended() else { continue };
            let armed = std::mem::take(&mut self.armed[place]);
            let name = armed.split(':').next().unwrap_or_default().to_owned();
            // A fail point aborts.
            if status.signal() != Some(6) || name.is_empty() {
                return Err(format!("an indexer ended with {status} (armed: {armed:?})"));
            }
            *self.deaths.entry(name).or_default() += 1;
            (self.processes[place], self.armed[place]) = self.bear(rng, is_mortal);
        }
        Ok(())
    }

    /// Everybody who lives from now on dies at this edge, the first time that it is there.
    pub(crate) fn arm(&mut self, edge: &str) {
        for place in 0..self.processes.len() {
            self.processes[place].kill();
            *self.deaths.entry("signal".to_owned()).or_default() += 1;
            (self.processes[place], self.armed[place]) = self.bear_with(format!("{edge}:1"));
        }
    }

    /// How often somebody died at this edge.
    pub(crate) fn deaths_at(&self, edge: &str) -> u64 {
        self.deaths.get(edge).copied().unwrap_or(0)
    }

    /// SIGKILL, now; another one takes its place.
    pub(crate) fn kill(&mut self, rng: &mut Rng) {
        let place = usize::try_from(rng.below(self.processes.len() as u64)).unwrap();
        self.processes[place].kill();
        *self.deaths.entry("signal".to_owned()).or_default() += 1;
        (self.processes[place], self.armed[place]) = self.bear(rng, true);
    }

    pub(crate) fn kill_all(&mut self) {
        self.processes.iter_mut().for_each(Killed::kill);
    }

    /// Waits until the chain is read to its newest block, by hash; false when it is not in time.
    pub(crate) async fn settle(
        &mut self,
        rng: &mut Rng,
        within: Duration,
        is_mortal: bool,
    ) -> Result<bool, String> {
        let deadline = Instant::now() + within;
        loop {
            self.tend(rng, is_mortal)?;
            let at: Option<(Vec<u8>, Option<String>)> =
                sqlx::query_as("select last_block_hash, halted_reason from indexer_checkpoints")
                    .fetch_optional(&self.stores.db.pool)
                    .await
                    .map_err(|err| err.to_string())?;
            if let Some((_, Some(reason))) = at {
                return Err(format!("the chain was halted: {reason}"));
            }
            let head = self.rig.chain.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
            let hash: B256 = head["hash"].as_str().unwrap().parse().unwrap();
            if at.is_some_and(|(at, _)| at == hash.as_slice()) {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    }

    pub(crate) fn stores(&self) -> &'a Stores {
        self.stores
    }

    /// The last lines of what the processes said.
    pub(crate) fn last_words(&self) -> String {
        let last = (self.births.saturating_sub(2)..=self.births).filter_map(|birth| {
            let text = std::fs::read_to_string(self.log(birth)).ok()?;
            let lines: Vec<&str> = text.lines().collect();
            Some(format!("-- {birth}\n{}\n", lines[lines.len().saturating_sub(12)..].join("\n")))
        });
        last.collect()
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        self.kill_all();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
