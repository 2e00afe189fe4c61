//! The whole fleet for the end-to-end stories: brought up by the launcher's own code, on ports and data of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context, bail};
use xtask::{fleet::Fleet, ports::Ports};

/// A fleet that goes down when it is dropped, whatever became of the stories.
pub struct Stage {
    fleet: Fleet,
    env: BTreeMap<String, String>,
}

impl Stage {
    /// Everything, from nothing. The binaries must have been built: `cargo test --workspace` has done so.
    pub fn up() -> anyhow::Result<Stage> {
        let folder = xtask::repository().join(".vitrine/e2e");
        let fleet = Fleet::open(&folder, Ports::free_block(26_000)?)?;
        fleet.down()?;
        fleet.erase()?;
        let fleet = Fleet::open(&folder, Ports::free_block(26_000)?)?;
        let env = fleet.env()?;
        let stage = Stage { fleet, env };
        stage.fleet.up()?;
        Ok(stage)
    }

    /// The launcher's view of it.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// An address or a name of `.vitrine/run/env`, without its `VITRINE_`.
    pub fn variable(&self, name: &str) -> anyhow::Result<&str> {
        let name = format!("VITRINE_{name}");
        self.env
            .get(&name)
            .map(String::as_str)
            .with_context(|| format!("the fleet's environment lacks {name}"))
    }

    /// A script of `e2e/clients`, with the packages that its lock file names and the fleet's addresses.
    pub fn script(&self, name: &str) -> anyhow::Result<Command> {
        let folder = clients()?;
        let mut node = Command::new("node");
        node.arg(name).current_dir(folder).envs(&self.env).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(node)
    }

    /// The same for a script in Python.
    pub fn python(&self, name: &str) -> anyhow::Result<Command> {
        let package = xtask::cache::PYSIWE.path()?;
        let packages = package.ancestors().nth(2).context("the package lies in the folder of packages")?;
        let mut python = Command::new("python3");
        python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name));
        python.envs(&self.env).env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
        python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(python)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(err) = self.fleet.down() {
            eprintln!("the fleet could not be taken down: {err:#}");
        }
    }
}

/// The clients' folder, with its packages installed.
fn clients() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    // npm writes this file last: as long as it is older than the lock file, something in the folder may be missing.
    let installed_at = modified(&folder.join("node_modules/.package-lock.json"));
    if installed_at.is_none() || installed_at < modified(&folder.join("package-lock.json")) {
        let installed =
            Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output()?;
        if !installed.status.success() {
            bail!("npm ci failed in e2e/clients: {}", String::from_utf8_lossy(&installed.stderr));
        }
    }
    Ok(folder)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}
