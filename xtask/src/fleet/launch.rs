//! One process of ours: its binary, its configuration, its start until it says that it is ready.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Fleet, Profile};
use crate::http::get;
use crate::ports::comes_free;
use crate::progress::Step;
use crate::repository;
use crate::services::{self, Service};

impl Fleet {
    pub(super) fn start_service(&self, service: &Service, extra: &[(&str, &str)]) -> Result<()> {
        let step = Step::begin(service.name);
        let began = self.launch(service, extra).and_then(|was_running| {
            self.wait_ready(service.name, service.ops_port(&self.place))?;
            Ok(was_running)
        });
        match began {
            Ok(was_running) => step.done(if was_running { "ran already" } else { "ready" }),
            Err(error) => {
                step.failed("");
                return Err(error);
            }
        }
        Ok(())
    }

    /// One more process of a service on the same stores, under a name and on ports of its own; `down` ends it too.
    pub fn start_another(&self, service: &str, name: &str, grpc_port: u16, ops_port: u16) -> Result<()> {
        let service = services::find(service).ok_or_else(|| super::unknown(service))?;
        let mut command = self.command(service)?;
        command.env(format!("{}__GRPC__ADDR", service.upper()), format!("127.0.0.1:{grpc_port}"));
        command.env(format!("{}__PROCESS__OPS_ADDR", service.upper()), format!("127.0.0.1:{ops_port}"));
        self.place.room.spawn(name, command)?;
        self.wait_ready(name, ops_port)
    }

    /// Whether it ran already.
    fn launch(&self, service: &Service, extra: &[(&str, &str)]) -> Result<bool> {
        let room = &self.place.room;
        let name = service.name;
        if room.is_alive(name) {
            return Ok(true);
        }
        room.stop(name, libc::SIGTERM, Duration::ZERO)?;
        if let Some(port) = service.listens_on(&self.place).into_iter().find(|port| !comes_free(*port)) {
            bail!(
                "{name} needs port {port}, which somebody else has: `ss -tanp 'sport = {port}'` shows who; \
                 stop it, or choose other ports with VITRINE_PORT_BASE=21000"
            );
        }
        let mut command = self.command(service)?;
        command.envs(extra.iter().copied());
        room.spawn(name, command)?;
        Ok(false)
    }

    /// A service's binary with its configuration.
    pub(super) fn command(&self, service: &Service) -> Result<Command> {
        let program = self.binary(service.name);
        if !program.exists() {
            bail!("{} is not built: run `cargo build --workspace`", program.display());
        }
        let mut command = Command::new(program);
        forget_cargo(&mut command);
        command
            .current_dir(repository())
            .envs(service.variables(&self.place, &self.certificates().display().to_string())?);
        Ok(command)
    }

    /// Where cargo put a program of the workspace.
    pub fn binary(&self, name: &str) -> PathBuf {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        let folder = match self.profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        target.join(folder).join(name)
    }

    fn wait_ready(&self, name: &str, ops_port: u16) -> Result<()> {
        let room = &self.place.room;
        let began = Instant::now();
        loop {
            let answer = get(ops_port, "/ready");
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if !room.is_alive(name) {
                bail!(
                    "{name} ended while it started: {}\n  way out: `cargo xtask logs {name}`",
                    room.last_words(name)
                );
            }
            if began.elapsed() > Duration::from_secs(120) {
                let why = answer.map_or_else(|error| error.to_string(), |answer| answer.body);
                bail!("{name} is not ready after 120 s: {why}\n  way out: `cargo xtask logs {name}`");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What cargo told us about ourselves is nobody else's business.
pub(crate) fn forget_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO")) {
            command.env_remove(name);
        }
    }
}
