//! Throw-away stores for tests: started side by side, found by tests through `VITRINE_TEST_*`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::ports::{Port, Ports};
use crate::process::Room;
use crate::progress::Step;
use crate::stores::{Place, Purpose, Start, Store, postgres};

/// Variables by name.
pub type Exports = BTreeMap<String, String>;

/// One set of trial stores in a folder of its own.
pub struct Trial {
    folder: PathBuf,
    place: Place,
}

impl Trial {
    /// The set of a folder: on the ports it was started with, or on a free block.
    pub fn open(folder: &Path, first_port: u16) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let room = Room { run: folder.join("run"), logs: folder.join("logs") };
        let recorded = fs::read_to_string(folder.join("port-base")).ok();
        let ports = match recorded {
            Some(text) if !room.names().is_empty() => Ports::parse_base(text.trim())?,
            _ => Ports::free_block(first_port)?,
        };
        let place = Place { data: folder.join("data"), room, ports, purpose: Purpose::Trial };
        Ok(Self { folder: folder.to_owned(), place })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The server's address, to which a database's name can be added.
    pub fn postgres_server(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.place.ports.of(Port::Postgres))
    }

    fn recorded(&self) -> Exports {
        let text = fs::read_to_string(self.env_file()).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub fn env_file(&self) -> PathBuf {
        self.folder.join("env")
    }

    pub fn is_running(&self) -> bool {
        Store::ALL.iter().all(|store| store.is_ready(&self.place))
    }

    /// Starts what does not run. Each store's variables are in the file as soon as it answers.
    pub fn start(&self) -> Result<Exports> {
        // Two starts at once would each see the other's half-started servers as strangers.
        let lock = File::create(self.folder.join("lock"))?;
        lock.lock()?;
        if let Ports::From(base) = self.place.ports {
            fs::write(self.folder.join("port-base"), format!("{base}\n"))?;
        }
        // What a running set has told already stays in the file meanwhile, for whoever reads it now.
        let exports = Mutex::new(if self.is_running() { self.recorded() } else { Exports::new() });
        let failures: Vec<String> = std::thread::scope(|scope| {
            let starting: Vec<_> = Store::ALL
                .into_iter()
                .map(|store| {
                    scope.spawn({
                        let exports = &exports;
                        move || self.start_one(store, exports).map_err(|error| format!("{error:#}"))
                    })
                })
                .collect();
            let ended = starting
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".to_owned())));
            ended.filter_map(Result::err).collect()
        });
        if !failures.is_empty() {
            bail!("{}", failures.join("\n"));
        }
        exports.into_inner().ok().context("a thread that starts a store panicked")
    }

    fn start_one(&self, store: Store, exports: &Mutex<Exports>) -> Result<()> {
        let step = Step::begin(store.name());
        let started = match store.start(&self.place) {
            Ok(started) => started,
            Err(error) => {
                step.failed("");
                return Err(error);
            }
        };
        let mut all = exports.lock().map_err(|_| anyhow::anyhow!("another store's thread panicked"))?;
        all.extend(
            store.trial_exports(&self.place)?.into_iter().map(|(name, value)| (name.to_owned(), value)),
        );
        write_exports(&self.env_file(), &all)?;
        step.done(match started {
            Start::Warm => "runs already",
            Start::Cold => "",
            Start::Given => "given by MONGODB_URL",
        });
        Ok(())
    }

    /// Stops everything and forgets the data: nothing of a trial is worth keeping.
    pub fn stop(&self) -> Result<()> {
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let stopping: Vec<_> =
                Store::ALL.into_iter().map(|store| scope.spawn(move || store.stop(&self.place))).collect();
            stopping.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        results.into_iter().collect::<Result<()>>()?;
        postgres::erase(&self.place)?;
        for name in ["data", "run"] {
            let _ = fs::remove_dir_all(self.folder.join(name));
        }
        for name in ["env", "port-base"] {
            let _ = fs::remove_file(self.folder.join(name));
        }
        Ok(())
    }
}

pub fn as_lines<'a>(exports: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    exports.into_iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "export {name}={value}");
        text
    })
}

/// Written beside and renamed, so that a reader never sees half a file.
fn write_exports(path: &Path, exports: &Exports) -> Result<()> {
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(as_lines(exports).as_bytes())?;
    Ok(fs::rename(partial, path)?)
}
