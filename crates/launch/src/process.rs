//! The life of a process: its tasks run until one of them fails or somebody asks for the end; then everything is
//! told to stop, is given a bounded time, and what has not stopped by then is left behind.
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Settings,
    ops::{self, Ops},
    telemetry::Telemetry,
};

/// A process that is being put together: a service adds to it, then calls [`Process::run`].
pub struct Process {
    name: &'static str,
    settings: Settings,
    stopping: CancellationToken,
    tasks: Vec<(&'static str, BoxFuture<'static, anyhow::Result<()>>)>,
    ops: Ops,
    // A process under test has none: it shares its test's process with others.
    telemetry: Option<Telemetry>,
    bound: Option<std::net::TcpListener>,
}

/// Why the tasks are told to stop.
enum Cause {
    Asked,
    Failed(anyhow::Error),
}

impl Process {
    pub(crate) fn new(name: &'static str, settings: Settings, telemetry: Option<Telemetry>) -> Self {
        let (stopping, tasks, ops) = (CancellationToken::new(), Vec::new(), Ops::default());
        Self { name, settings, stopping, tasks, ops, telemetry, bound: None }
    }

    /// A process inside a test: operations on a free port, no telemetry, no signals, no drain delay. Cancelling
    /// [`Process::stopping`] ends it, as a signal would.
    pub fn for_test(name: &'static str) -> Self {
        let bound = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let ops_addr = bound.local_addr().expect("it is bound");
        let settings =
            Settings { ops_addr, log: "info".into(), drain_secs: 0, stop_secs: 10, otlp_url: None };
        Self { bound: Some(bound), ..Self::new(name, settings, None) }
    }

    /// Where `/health`, `/ready` and `/metrics` are, or will be.
    pub fn ops_addr(&self) -> SocketAddr {
        self.settings.ops_addr
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Cancelled when work must stop: after the drain delay of a stop, or at once when a task has failed.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Adds a dependency that `/ready` asks about. The answer's value is shown as its detail.
    pub fn ready(
        &mut self,
        dependency: &'static str,
        check: impl Fn() -> BoxFuture<'static, Result<Value, String>> + Send + Sync + 'static,
    ) {
        self.ops.check(dependency, Box::new(check));
    }

    /// Runs before the metrics are read, for gauges that are looked up rather than counted.
    pub fn on_scrape(&mut self, refresh: impl Fn() + Send + Sync + 'static) {
        self.ops.on_scrape(refresh);
    }

    /// Adds work that lasts as long as the process. It must end after [`Process::stopping`] is cancelled; if it ends
    /// earlier, with an error or without, the whole process stops, loudly.
    pub fn task(
        &mut self,
        name: &'static str,
        future: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.tasks.push((name, Box::pin(future)));
    }

    /// Runs all tasks and the operations port until the end.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let telemetry = self.telemetry.take();
        let result = self.live(telemetry.is_none()).await;
        if let Err(err) = &result {
            tracing::error!(error = %format!("{err:#}"), "process stops with an error");
        }
        let Some(telemetry) = telemetry else { return result };
        // The exporter's last batch must not hold up the end.
        let flushed = tokio::task::spawn_blocking(|| telemetry.flush());
        let _ = tokio::time::timeout(Duration::from_secs(3), flushed).await;
        if result.is_err() {
            // The line above has said it; returning the error would have `main` say it again, not as JSON.
            std::process::exit(1);
        }
        Ok(())
    }

    async fn live(self, in_test: bool) -> anyhow::Result<()> {
        let Self { name, settings, stopping, tasks, ops, bound, .. } = self;
        let ops = Arc::new(ops);
        let signals = if in_test { None } else { Some(Signals::listen()?) };
        let listener = listen(settings.ops_addr, bound).await?;
        let server = tokio::spawn(axum::serve(listener, ops::router(ops.clone())).into_future());

        let mut running = Running::default();
        for (task, future) in tasks {
            running.spawn(task, future);
        }
        ops.set_serving(true);
        tracing::info!(service.name = name, ops.addr = %settings.ops_addr, "process started");

        let cause = tokio::select! {
            // In this order: a task that ends because it was told to has not failed.
            biased;
            () = Signals::ask_to_stop(signals) => Cause::Asked,
            () = stopping.cancelled() => Cause::Asked,
            Some(ended) = running.first_end() => ended.map_or_else(Cause::Failed, |task| {
                Cause::Failed(anyhow!("task {task} ended before the process was asked to stop"))
            }),
        };
        ops.set_serving(false);
        if matches!(cause, Cause::Asked) && !stopping.is_cancelled() {
            tracing::info!(drain_secs = settings.drain_secs, "draining");
            tokio::time::sleep(Duration::from_secs(settings.drain_secs)).await;
        }
        stopping.cancel();
        running.finish(Duration::from_secs(settings.stop_secs)).await;
        server.abort();
        match cause {
            Cause::Asked => {
                tracing::info!("process stopped");
                Ok(())
            }
            Cause::Failed(err) => Err(err),
        }
    }
}

async fn listen(address: SocketAddr, bound: Option<std::net::TcpListener>) -> anyhow::Result<TcpListener> {
    match bound {
        Some(bound) => {
            bound.set_nonblocking(true)?;
            Ok(TcpListener::from_std(bound)?)
        }
        None => TcpListener::bind(address)
            .await
            .with_context(|| format!("process.ops_addr: cannot listen on {address}")),
    }
}

/// The first signal asks for the end, the second one has it at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on a signal no longer kills the process by itself.
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }

    async fn ask_to_stop(signals: Option<Self>) {
        // A process under test is ended by its test.
        let Some(mut signals) = signals else { return std::future::pending().await };
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("second signal, leaving at once");
            std::process::exit(130);
        });
    }
}

#[derive(Default)]
struct Running {
    set: JoinSet<anyhow::Result<()>>,
    names: Vec<(Id, &'static str)>,
}

impl Running {
    fn spawn(&mut self, name: &'static str, future: BoxFuture<'static, anyhow::Result<()>>) {
        let id = self.set.spawn(future.instrument(tracing::Span::none())).id();
        self.names.push((id, name));
    }

    fn name(&self, id: Id) -> &'static str {
        self.names.iter().find(|(known, _)| *known == id).map_or("unnamed", |(_, name)| name)
    }

    /// `None` only when there is no task: then nothing but a signal ends the process.
    async fn first_end(&mut self) -> Option<anyhow::Result<&'static str>> {
        let ended = self.set.join_next_with_id().await?;
        Some(self.outcome(ended))
    }

    fn outcome(&self, ended: Result<(Id, anyhow::Result<()>), JoinError>) -> anyhow::Result<&'static str> {
        match ended {
            Ok((id, Ok(()))) => Ok(self.name(id)),
            Ok((id, Err(err))) => Err(err.context(format!("task {}", self.name(id)))),
            Err(err) if err.is_panic() => Err(anyhow!("task {} panicked", self.name(err.id()))),
            Err(err) => Err(anyhow!("task {} was cancelled", self.name(err.id()))),
        }
    }

    async fn finish(&mut self, bound: Duration) {
        let all = async {
            while let Some(ended) = self.set.join_next_with_id().await {
                if let Err(err) = self.outcome(ended) {
                    tracing::error!(error = %format!("{err:#}"), "task failed while stopping");
                }
            }
        };
        if tokio::time::timeout(bound, all).await.is_err() {
            tracing::warn!(tasks = self.set.len(), "tasks did not stop in time and are left behind");
            self.set.abort_all();
        }
    }
}
