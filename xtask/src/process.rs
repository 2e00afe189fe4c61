//! Long-running processes: each in a group of its own, known by a pid file that also holds its start time, so that
//! a number which the kernel gave to somebody else since is never taken for ours.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The folders of one running set: pid files and logs.
#[derive(Clone, Debug)]
pub struct Room {
    pub run: PathBuf,
    pub logs: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    pid: i32,
    started: u64,
}

/// One line of `/proc/<pid>/stat`, as far as we look at it.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    group: i32,
    started: u64,
}

impl Room {
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.run.join(format!("{name}.pid"))
    }

    /// Starts a process that outlives us; its output is appended to its log.
    pub fn spawn(&self, name: &str, mut command: Command) -> Result<()> {
        fs::create_dir_all(&self.run)?;
        fs::create_dir_all(&self.logs)?;
        let log = File::options().create(true).append(true).open(self.log(name))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut child = command.spawn().with_context(|| {
            format!("{name} cannot be started: {}", command.get_program().to_string_lossy())
        })?;
        let pid = i32::try_from(child.id())?;
        let started = stat(pid).map_or(0, |stat| stat.started);
        fs::write(self.pid_file(name), format!("{pid} {started}\n"))?;
        // Somebody has to collect the exit code, or the dead child would look alive as long as we live.
        std::thread::spawn(move || child.wait());
        Ok(())
    }

    pub fn pid(&self, name: &str) -> Option<i32> {
        let mark = self.mark(name)?;
        stat(mark.pid)
            .is_some_and(|stat| stat.started == mark.started && stat.state != 'Z')
            .then_some(mark.pid)
    }

    pub fn is_alive(&self, name: &str) -> bool {
        self.pid(name).is_some()
    }

    /// Whether a pid file is there: it was started and nobody has stopped it since.
    pub fn is_wanted(&self, name: &str) -> bool {
        self.pid_file(name).exists()
    }

    /// Everything that a pid file names, alive or not.
    pub fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.run).into_iter().flatten().flatten();
        let mut names: Vec<String> = files
            .filter_map(|file| file.file_name().to_str()?.strip_suffix(".pid").map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// Asks the group to end, waits, and kills what is left. `gentle` is how long it may take.
    pub fn stop(&self, name: &str, signal: i32, gentle: Duration) -> Result<()> {
        if let Some(mark) = self.mark(name) {
            if !members(mark).is_empty() {
                signal_to(mark.pid, signal);
                wait_gone(mark, gentle);
            }
            if !members(mark).is_empty() {
                self.signal_group(mark, libc::SIGKILL);
                wait_gone(mark, Duration::from_secs(10));
            }
            let left = members(mark);
            if !left.is_empty() {
                bail!(
                    "{name} does not end: processes {left:?} ignore SIGKILL, see `ps -o pid,stat,cmd -g {}`",
                    mark.pid
                );
            }
        }
        let _ = fs::remove_file(self.pid_file(name));
        Ok(())
    }

    /// Kills the whole group at once and keeps the pid file: this is the crash of a test, not a stop.
    pub fn kill(&self, name: &str) -> Result<()> {
        let mark = self.mark(name).with_context(|| format!("{name} was never started"))?;
        self.signal_group(mark, libc::SIGKILL);
        wait_gone(mark, Duration::from_secs(10));
        Ok(())
    }

    fn signal_group(&self, mark: Mark, signal: i32) {
        for pid in members(mark) {
            signal_to(pid, signal);
        }
    }

    fn mark(&self, name: &str) -> Option<Mark> {
        let text = fs::read_to_string(self.pid_file(name)).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        Some(Mark { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }

    /// The end of a log, for the one line that says why something does not run.
    pub fn last_words(&self, name: &str) -> String {
        let text = fs::read(self.log(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

fn wait_gone(mark: Mark, within: Duration) {
    let began = Instant::now();
    while !members(mark).is_empty() && began.elapsed() < within {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The living processes of a group that we started. A leader that began at another time makes the group somebody else's.
fn members(mark: Mark) -> Vec<i32> {
    if stat(mark.pid).is_some_and(|leader| leader.started != mark.started) {
        return Vec::new();
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.group == mark.pid && stat.state != 'Z'))
        .collect()
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The second field is the program's name in parentheses and may itself hold spaces and parentheses.
fn parse_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[expect(unsafe_code, reason = "the standard library has no way to send a signal")]
fn signal_to(pid: i32, signal: i32) {
    // SAFETY: kill takes two integers and touches no memory of ours; a pid that is gone is an error we do not need.
    unsafe { libc::kill(pid, signal) };
}

/// The user and group that a server must run as, from `/etc/passwd`.
pub fn user(name: &str) -> Option<(u32, u32)> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// Runs a command to its end, its output in the error if it fails.
pub fn run(command: &mut Command) -> Result<String> {
    run_with(command, "")
}

/// The same with something to read: what is secret must not be an argument, which everybody on the machine can see.
pub fn run_with(command: &mut Command, input: &str) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("`{program}` cannot be run"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input has closed it; what matters is how it ends.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let text =
            String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
        let end: Vec<&str> = text.lines().rev().take(8).collect();
        bail!(
            "`{program}` ended with {}: {}",
            output.status,
            end.into_iter().rev().collect::<Vec<_>>().join(" | ")
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where a program is on the PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1";
        assert_eq!(parse_stat(line), Some(Stat { state: 'S', group: 42, started: 777 }));
    }

    #[test]
    fn a_stopped_process_leaves_neither_a_member_of_its_group_nor_a_pid_file() {
        let folder = std::env::temp_dir().join(format!("vitrine-process-{}", std::process::id()));
        let room = Room { run: folder.join("run"), logs: folder.join("logs") };
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; sleep 600 & echo begun; wait; sleep 600"]);
        room.spawn("stubborn", command).expect("sh starts");
        let mark = room.mark("stubborn").expect("the pid file is written");
        let began = Instant::now();
        while members(mark).len() < 2 && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        room.stop("stubborn", libc::SIGTERM, Duration::from_millis(100)).expect("SIGKILL cannot be ignored");
        assert_eq!(members(mark), Vec::<i32>::new());
        assert!(!room.is_wanted("stubborn"));
        let _ = fs::remove_dir_all(folder);
    }

    #[test]
    fn a_pid_that_started_at_another_time_is_not_ours() {
        let ours = i32::try_from(std::process::id()).expect("a pid is small");
        let started = stat(ours).expect("we run").started;
        assert!(members(Mark { pid: ours, started: started + 1 }).is_empty());
    }
}
