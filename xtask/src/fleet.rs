//! The whole system on this machine: stores and ten processes, brought up, crashed, mended and stopped from one place.
//!
//! `cargo xtask up` is this with the documented ports and the folder `.vitrine`; the end-to-end tests use the same
//! code with a folder and ports of their own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::http::get;
use crate::ports::{Ports, reserve};
use crate::process::{Room, run};
use crate::progress::{Step, step};
use crate::repository;
use crate::secrets::Secrets;
use crate::services::{self, Need, Service, TABLE};
use crate::stores::{Place, Purpose, Start, Store};

mod environment;
mod launch;
mod provision;

pub(crate) use launch::forget_cargo;

/// How the programs that run were built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    #[default]
    Dev,
    Release,
}

pub struct Fleet {
    folder: PathBuf,
    place: Place,
    profile: Profile,
}

impl Fleet {
    /// The fleet of a folder: where it runs, or where it would run on these ports.
    pub fn open(folder: &Path, ports: Ports) -> Result<Self> {
        let room = Room { run: folder.join("run"), logs: folder.join("logs") };
        fs::create_dir_all(&room.run)?;
        fs::create_dir_all(&room.logs)?;
        let recorded = fs::read_to_string(room.run.join("port-base")).unwrap_or_default();
        let ports = match recorded.trim() {
            _ if room.names().is_empty() => ports,
            "" => Ports::Documented,
            base => Ports::parse_base(base)?,
        };
        let names = services::secret_names();
        let secrets = Secrets::load_or_make(&room.run.join("secrets"), names.iter().map(String::as_str))?;
        let place = Place { data: folder.join("data"), room, ports, purpose: Purpose::Fleet(secrets) };
        Ok(Self { folder: folder.to_owned(), place, profile: Profile::Dev })
    }

    /// The same with programs that were built otherwise.
    pub fn built_as(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The fleet of `cargo xtask up`.
    pub fn of_clone() -> Result<Self> {
        Self::open(&repository().join(".vitrine"), Ports::of_environment()?)
    }

    pub fn ports(&self) -> Ports {
        self.place.ports
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn room(&self) -> &Room {
        &self.place.room
    }

    pub fn certificates(&self) -> PathBuf {
        self.place.room.run.join("certs")
    }

    pub fn env_file(&self) -> PathBuf {
        self.place.room.run.join("env")
    }

    /// One start or stop at a time: a second one would see half-started servers as strangers.
    pub fn lock(&self) -> Result<File> {
        let lock = File::create(self.place.room.run.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Everything, from nothing or from what already runs. The binaries must have been built.
    pub fn up(&self) -> Result<()> {
        self.start_stores()?;
        self.prepare()?;
        self.start_services(&[])?;
        self.desk("deploy", &[])
    }

    /// All stores side by side, then what the services own in them.
    pub fn start_stores(&self) -> Result<()> {
        self.record_ports()?;
        // Before the first connection could take one of them.
        reserve(self.place.ports);
        in_parallel(&Store::ALL, |store| self.start_store(*store))?;
        step("databases and buckets", || {
            provision::databases(&self.place)?;
            provision::buckets(&self.place)
        })?;
        environment::write(self)
    }

    /// What has to be there before a service may start: certificates, tables, queues.
    pub fn prepare(&self) -> Result<()> {
        self.desk("certs", &[])?;
        step("configurations", || self.check_configurations())?;
        step("migrations", || {
            let owners: Vec<&Service> = TABLE.iter().filter(|service| service.has(Need::Database)).collect();
            in_parallel(&owners, |service| run(self.command(service)?.arg("migrate")).map(drop))
        })?;
        let users = provision::broker_users(&self.place)?;
        self.desk("topology", &["--users".to_owned(), users.display().to_string()])
    }

    /// Each service reads its configuration, and says what it does not like, before anything starts.
    pub fn check_configurations(&self) -> Result<()> {
        let services: Vec<&Service> = TABLE.iter().collect();
        in_parallel(&services, |service| {
            let checked = run(self.command(service)?.arg("--check-config"));
            checked.map(drop).with_context(|| format!("{}'s configuration", service.name))
        })
    }

    /// All ten processes; returns when each says that it is ready. `extra` is for all of them.
    pub fn start_services(&self, extra: &[(&str, &str)]) -> Result<()> {
        let services: Vec<&Service> = TABLE.iter().collect();
        in_parallel(&services, |service| self.start_service(service, extra))
    }

    fn start_store(&self, store: Store) -> Result<()> {
        let step = Step::begin(store.name());
        let port = self.place.ports.of(store.ports()[0]);
        match store.start(&self.place) {
            Ok(Start::Warm) => step.done(format!("127.0.0.1:{port}, ran already")),
            Ok(Start::Cold) => step.done(format!("127.0.0.1:{port}")),
            Ok(Start::Given) => step.done("given by MONGODB_URL"),
            Err(error) => {
                step.failed("");
                return Err(error);
            }
        }
        Ok(())
    }

    /// Starts one store or service by name.
    pub fn start(&self, name: &str, extra: &[(&str, &str)]) -> Result<()> {
        match (Store::find(name), services::find(name)) {
            (Some(store), _) => self.start_store(store),
            (None, Some(service)) => self.start_service(service, extra),
            (None, None) => Err(unknown(name)),
        }
    }

    pub fn stop(&self, name: &str) -> Result<()> {
        match (Store::find(name), services::find(name)) {
            (Some(store), _) => store.stop(&self.place),
            (None, Some(_)) => self.place.room.stop(name, libc::SIGTERM, Duration::from_secs(30)),
            (None, None) => Err(unknown(name)),
        }
    }

    pub fn restart(&self, name: &str) -> Result<()> {
        self.stop(name)?;
        self.start(name, &[])
    }

    /// SIGKILL to the whole group: a crash, as the tests need it.
    pub fn kill(&self, name: &str) -> Result<()> {
        self.place.room.kill(name)
    }

    /// Services first, stores last; whatever a pid file names is gone afterwards.
    pub fn down(&self) -> Result<()> {
        let room = &self.place.room;
        let running = room.names();
        let (stores, services): (Vec<&String>, Vec<&String>) =
            running.iter().partition(|name| Store::find(name).is_some() || name.as_str() == "epmd");
        in_parallel(&services, |name| {
            step(&format!("stop {name}"), || room.stop(name, libc::SIGTERM, Duration::from_secs(30)))
        })?;
        let stores: Vec<Store> = stores.iter().filter_map(|name| Store::find(name)).collect();
        in_parallel(&stores, |store| step(&format!("stop {}", store.name()), || store.stop(&self.place)))?;
        // The broker's helper is stopped with it; this is for one whose broker never came to be.
        room.stop("epmd", libc::SIGTERM, Duration::from_secs(5))
    }

    /// Forgets all data, passwords included. Everything must be down.
    pub fn erase(&self) -> Result<()> {
        crate::stores::postgres::erase(&self.place)?;
        for name in ["data", "run", "logs"] {
            let folder = self.folder.join(name);
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }

    pub fn is_up(&self) -> bool {
        TABLE.iter().all(|service| self.place.room.is_alive(service.name))
    }

    /// Readiness of a service, or what it lacks.
    pub fn service_state(&self, service: &Service) -> Result<(), String> {
        match get(service.ops_port(&self.place), "/ready") {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(answer.body),
            Err(error) => Err(error.to_string()),
        }
    }

    pub fn store_is_ready(&self, store: Store) -> bool {
        store.is_ready(&self.place)
    }

    /// The variables of `.vitrine/run/env`.
    pub fn env(&self) -> Result<BTreeMap<String, String>> {
        environment::variables(self)
    }

    /// Runs the second binary, which knows the services' contracts and messages.
    pub fn desk(&self, subcommand: &str, arguments: &[String]) -> Result<()> {
        step(&format!("desk {subcommand}"), || {
            let mut desk = self.desk_command(subcommand)?;
            let status = desk.args(arguments).status().context("desk cannot be run")?;
            if !status.success() {
                bail!("`desk {subcommand}` ended with {status}, see above");
            }
            Ok(())
        })
    }

    pub fn desk_command(&self, subcommand: &str) -> Result<Command> {
        let mut desk = Command::new(self.binary("desk"));
        forget_cargo(&mut desk);
        // Its errors are for people, who have no use for the frames of an executor.
        desk.env("RUST_LIB_BACKTRACE", "0");
        desk.arg(subcommand).envs(self.env()?).current_dir(repository());
        Ok(desk)
    }

    fn record_ports(&self) -> Result<()> {
        let base = match self.place.ports {
            Ports::Documented => String::new(),
            Ports::From(base) => base.to_string(),
        };
        Ok(fs::write(self.place.room.run.join("port-base"), base)?)
    }
}

fn unknown(name: &str) -> anyhow::Error {
    let services: Vec<&str> =
        TABLE.iter().map(|service| service.name).chain(Store::ALL.map(Store::name)).collect();
    anyhow::anyhow!("nothing here is called `{name}`; there are {}", services.join(", "))
}

/// Runs one piece of work for each at the same time; all errors in one.
fn in_parallel<T: Sync>(all: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let work = &work;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let working: Vec<_> = all.iter().map(|one| scope.spawn(move || work(one))).collect();
        let ended =
            working.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")));
        ended.filter_map(|result| result.err().map(|error| format!("{error:#}"))).collect()
    });
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("\n")) }
}
