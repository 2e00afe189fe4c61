//! What the machine must have before anything starts: installs it when it may, else says the one line that does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{is_root, run, which};
use crate::progress::step;
use crate::stores::postgres;

struct Need {
    is_met: fn() -> bool,
    /// The Debian packages that bring it, or what a person has to do where Debian's is too old.
    way: Way,
}

enum Way {
    Packages(&'static str),
    ByHand(&'static str),
}

const NEEDS: &[Need] = &[
    Need { is_met: || which("cc").is_some(), way: Way::Packages("build-essential") },
    Need { is_met: || which("git").is_some(), way: Way::Packages("git") },
    Need { is_met: || postgres::programs().is_ok(), way: Way::Packages("postgresql postgresql-contrib") },
    Need { is_met: || which("redis-server").is_some(), way: Way::Packages("redis-server") },
    Need {
        is_met: || Path::new("/usr/lib/rabbitmq/bin/rabbitmq-server").exists() && which("epmd").is_some(),
        way: Way::Packages("rabbitmq-server"),
    },
    Need {
        is_met: || run(Command::new("python3").args(["-m", "pip", "--version"])).is_ok(),
        way: Way::Packages("python3-pip"),
    },
    Need {
        is_met: || version("node", "--version").is_some_and(|node| node >= (20, 0)) && which("npm").is_some(),
        way: Way::ByHand("Node 20 or later with npm is missing: install it from nodejs.org and repeat"),
    },
    Need {
        is_met: || {
            let is_given = std::env::var_os("MONGODB_URL").is_some() || which("mongod").is_some();
            is_given || version("go", "version").is_some_and(|go| go >= (1, 21))
        },
        way: Way::ByHand(
            "Go 1.24 or later is missing: install it from go.dev, or set MONGODB_URL, and repeat",
        ),
    },
];

pub fn check(may_install: bool) -> Result<()> {
    let missing = || NEEDS.iter().filter(|need| !(need.is_met)());
    let by_hand: Vec<&str> = missing()
        .filter_map(|need| match need.way {
            Way::ByHand(line) => Some(line),
            Way::Packages(_) => None,
        })
        .collect();
    if !by_hand.is_empty() {
        bail!("{}", by_hand.join("\n"));
    }
    let packages: Vec<&str> = missing()
        .filter_map(|need| match need.way {
            Way::Packages(names) => Some(names),
            Way::ByHand(_) => None,
        })
        .flat_map(str::split_whitespace)
        .collect();
    if packages.is_empty() {
        return Ok(());
    }
    let names = packages.join(" ");
    if !may_install || !is_root() || which("apt-get").is_none() {
        bail!("missing: {names}. Run `sudo apt-get install -y --no-install-recommends {names}` and repeat");
    }
    step(&format!("install {names}"), || install(&packages))?;
    match missing().next() {
        None => Ok(()),
        Some(_) => bail!("{names} is installed, yet something is still missing: is the PATH complete?"),
    }
}

/// Installs without letting any package start a system service; puts back what it changed for that.
fn install(packages: &[&str]) -> Result<()> {
    let quiet = Replaced::with("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)?;
    let cluster =
        Replaced::with("/etc/postgresql-common/createcluster.conf", "create_main_cluster = false\n", 0o644)?;
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args([
            "-y",
            "-q",
            "-o",
            "Dpkg::Options::=--force-confold",
        ]);
        run(apt.args(arguments))
    };
    let wanted: Vec<&str> = ["install", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // The package lists may be missing or old; then the first try fails.
    let installed = apt(&wanted).or_else(|_| apt(&["update"]).and_then(|_| apt(&wanted)));
    cluster.put_back()?;
    quiet.put_back()?;
    installed.map(drop)
}

struct Replaced {
    path: &'static str,
    before: Option<Vec<u8>>,
}

impl Replaced {
    fn with(path: &'static str, text: &str, mode: u32) -> Result<Self> {
        let before = fs::read(path).ok();
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(Self { path, before })
    }

    fn put_back(self) -> Result<()> {
        // Where the package brought its own file meanwhile, it was laid beside ours.
        let packaged = ["dpkg-dist", "ucf-dist"].map(|end| format!("{}.{end}", self.path));
        match (self.before, packaged.iter().find(|path| Path::new(path).exists())) {
            (Some(bytes), _) => fs::write(self.path, bytes)?,
            (None, Some(packaged)) => fs::rename(packaged, self.path)?,
            (None, None) => fs::remove_file(self.path)?,
        }
        Ok(())
    }
}

/// The first `major.minor` in what a program says about itself.
fn version(program: &str, argument: &str) -> Option<(u32, u32)> {
    parse_version(&run(Command::new(program).arg(argument)).ok()?)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    text.split(|c: char| !is_part(c)).find_map(|word| {
        let mut parts = word.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        assert_eq!(parse_version("v20.20.2\n"), Some((20, 20)));
        assert_eq!(parse_version("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(parse_version("no digits"), None);
    }
}
