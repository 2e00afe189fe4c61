//! A service that exists for these tests only. It is this very test binary, started again as a process of its own.
use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use launch::{Card, Secret, Settings};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) process: Settings,
    /// Where the database is | and who we are.
    pub(crate) database_url: Secret,
    /// Connections at most.
    pub(crate) database_pool: u32,
    /// Web origins that may call.
    pub(crate) origins: Vec<String>,
    /// Ports to try.
    pub(crate) ports: Vec<u16>,
    /// Whether to say more.
    #[serde(default)]
    pub(crate) verbose: bool,
    pub(crate) peers: Peers,
    /// What the sample does once it runs.
    #[serde(default)]
    pub(crate) act: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peers {
    /// The wallet service.
    pub(crate) wallet: Option<Url>,
}

pub(crate) const DEFAULTS: &str = r#"
database_url = "postgres://sample@127.0.0.1/sample"
database_pool = 8
origins = ["http://localhost:8081"]
ports = [1, 2]
[process]
ops_addr = "127.0.0.1:0"
stop_secs = 2
[peers]
wallet = "https://127.0.0.1:50053"
"#;

pub(crate) static CARD: Card<Config> = Card::new("the-sample", DEFAULTS);

const ARGUMENTS: &str = "VITRINE_TEST_ARGUMENTS";

/// Started by the harness it does nothing; started by [`command`] it is the service.
#[test]
fn serve_as_a_process() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    let ended = runtime.block_on(async {
        let Some((config, mut process)) = launch::start_with(&CARD, arguments.into_iter()).await? else {
            return Ok(());
        };
        let stopping = process.stopping();
        let act = config.act;
        process.task("work", async move {
            match act.as_str() {
                "fail" => anyhow::bail!("the disk is gone"),
                "panic" => panic!("the unexpected"),
                "end" => {}
                "hang" => std::future::pending().await,
                _ => stopping.cancelled().await,
            }
            Ok(())
        });
        process.run().await
    });
    // The harness has printed a line of its own before; the code is what tells.
    std::process::exit(i32::from(ended.map_err(|err: anyhow::Error| eprintln!("{err:#}")).is_err()));
}

pub(crate) fn command(arguments: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test has a binary"));
    command.args(["--exact", "sample::serve_as_a_process", "--nocapture"]).env(ARGUMENTS, arguments);
    command.envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The sample as a running process; killed when dropped.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let mut child = command("", environment).spawn().expect("the sample starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, lines }
    }

    /// The next log line whose sentence is `message`.
    pub(crate) fn line(&mut self, message: &str) -> Value {
        loop {
            let mut text = String::new();
            let read = self.lines.read_line(&mut text).expect("its output is text");
            assert!(read > 0, "the sample ended without saying {message:?}");
            // The harness writes a few lines of its own.
            let Ok(line) = serde_json::from_str::<Value>(&text) else { continue };
            if line["message"] == message {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([format!("-{name}"), pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// The exit code, and what it still said.
    pub(crate) fn end(mut self, within: Duration) -> (Option<i32>, String) {
        let began = std::time::Instant::now();
        let status = loop {
            match self.child.try_wait().expect("it is our child") {
                Some(status) => break status,
                None => assert!(began.elapsed() < within, "it did not end in time"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("its output is text");
        (status.code(), rest)
    }
}

/// A port that was free a moment ago, below the range from which the kernel gives out ports by itself.
pub(crate) fn free_address() -> SocketAddr {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 23_000 + u16::try_from(std::process::id() % 4000).expect("below 4000");
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], first + NEXT.fetch_add(1, Ordering::SeqCst)));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
