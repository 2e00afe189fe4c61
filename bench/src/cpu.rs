//! The CPU time of the fleet's processes, as the kernel accounts for it: each with all of its children, the dead ones
//! included.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

/// What `/proc` counts in: `USER_HZ`, which is 100 on every Linux that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// The running set: names and the processes that their pid files name.
pub(crate) struct Processes(BTreeMap<String, u32>);

/// CPU time by name.
pub(crate) type Used = BTreeMap<String, Duration>;

struct Stat {
    parent: u32,
    ticks: u32,
}

impl Processes {
    /// Those whose pid files are in this folder.
    pub(crate) fn of(run: &Path) -> anyhow::Result<Processes> {
        let files = fs::read_dir(run).with_context(|| format!("{} cannot be read", run.display()))?;
        let paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        let named =
            paths.iter().filter(|path| path.extension().is_some_and(|end| end == "pid")).map(|path| {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let text = fs::read_to_string(path)?;
                let pid = text.split_whitespace().next().unwrap_or_default().parse();
                Ok((name, pid.with_context(|| format!("{} names no process", path.display()))?))
            });
        Ok(Processes(named.collect::<anyhow::Result<_>>()?))
    }

    /// What each has used since it began.
    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        let all = all_stats()?;
        let under = |pid: u32, root: u32| {
            std::iter::successors(Some(pid), |pid| all.get(pid).map(|stat| stat.parent))
                .any(|pid| pid == root)
        };
        let used = self.0.iter().map(|(name, root)| {
            let ticks: u32 =
                all.iter().filter(|(pid, _)| under(**pid, *root)).map(|(_, stat)| stat.ticks).sum();
            (name.clone(), TICK * ticks)
        });
        Ok(used.collect())
    }
}

/// What was used between two looks.
pub(crate) fn between(before: &Used, after: &Used) -> Used {
    let spent = |(name, after): (&String, &Duration)| {
        (name.clone(), after.saturating_sub(before.get(name).copied().unwrap_or_default()))
    };
    after.iter().map(spent).collect()
}

fn all_stats() -> anyhow::Result<BTreeMap<u32, Stat>> {
    let pids = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A process may end while we look; what it used is then its parent's.
    Ok(pids
        .filter_map(|pid: u32| Some((pid, stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect())
}

/// `pid (name) state ppid ...`; the name may hold anything, so one counts from the last parenthesis.
fn stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    // utime, stime, and the same of children that ended: fields 14 to 17 of the whole line.
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u32>().ok()).sum::<Option<u32>>()?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

/// What each process of the fleet has used so far.
pub(crate) fn now() -> anyhow::Result<Used> {
    Processes::of(&crate::variable::run_folder()?)?.used()
}

/// The most memory that a process ever had, in MiB.
pub(crate) fn peak_mib(pid: i32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// The CPU time of this thread so far; finer than a tick.
pub(crate) fn of_this_thread() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().context("schedstat is empty")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_shifts_nothing() {
        let stat = stat("7 (a) b (c) S 3 7 7 0 -1 4194560 9 9 9 9 100 20 3 1 20 0 9 0 99").unwrap();
        assert_eq!((stat.parent, stat.ticks), (3, 124));
    }
}
