//! What the local set-up opens to a network: nothing.

use anyhow::ensure;
use e2e::Stage;
use xtask::sockets::listeners;

pub(crate) fn nothing_listens_beyond_loopback(stage: &Stage) -> anyhow::Result<()> {
    let room = stage.fleet().room();
    let mut seen = 0;
    for name in room.names() {
        let Some(leader) = room.pid(&name) else { continue };
        for pid in group(leader)? {
            for address in listeners(pid) {
                ensure!(address.ip().is_loopback(), "{name} (process {pid}) listens on {address}");
                seen += 1;
            }
        }
    }
    // Ten processes of ours with one port at least, and the stores': a test that saw none would have looked away.
    ensure!(seen >= 20, "only {seen} listeners were seen");
    Ok(())
}

/// Every process of a group: a server's helpers listen too.
fn group(leader: i32) -> anyhow::Result<Vec<i32>> {
    let mut members = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // The name in parentheses may hold anything; what follows it does not.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let group = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(2)?.parse().ok());
        if group == Some(leader) {
            members.push(pid);
        }
    }
    Ok(members)
}
