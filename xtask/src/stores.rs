//! The private stores: which there are, and the one way all of them start and stop.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::ports::{Port, Ports, comes_free};
use crate::process::Room;
use crate::secrets::Secrets;

mod amqp;
mod anvil;
mod ipfs;
mod mongo;
pub mod postgres;
mod redis;
mod s3;

pub use s3::KEY as S3_KEY;

/// The given MongoDB, or the one of this set.
pub fn mongo_url(place: &Place) -> String {
    mongo::given().unwrap_or_else(|| format!("mongodb://127.0.0.1:{}", place.port(Port::Mongo)))
}

/// Where one set of stores lives and what it is for.
#[derive(Clone)]
pub struct Place {
    pub data: PathBuf,
    pub room: Room,
    pub ports: Ports,
    pub purpose: Purpose,
}

#[derive(Clone)]
pub enum Purpose {
    /// Fast and forgetful: no passwords, nothing is written through to the disk.
    Trial,
    /// Like the real thing: passwords everywhere, what was acknowledged survives.
    Fleet(Secrets),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Postgres,
    Redis,
    Amqp,
    Mongo,
    S3,
    Ipfs,
    Anvil,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It ran already and was left alone.
    Warm,
    Cold,
    /// Somebody else's server, by its address in the environment.
    Given,
}

impl Place {
    fn is_trial(&self) -> bool {
        matches!(self.purpose, Purpose::Trial)
    }

    /// A password; in a trial set everything has the same well-known one.
    pub(crate) fn password(&self, name: &str) -> Result<&str> {
        match &self.purpose {
            Purpose::Trial => Ok("guest"),
            Purpose::Fleet(secrets) => secrets.get(name),
        }
    }

    fn port(&self, port: Port) -> u16 {
        self.ports.of(port)
    }
}

impl Store {
    /// The slowest first, since they start side by side.
    pub const ALL: [Self; 7] =
        [Self::Amqp, Self::S3, Self::Ipfs, Self::Postgres, Self::Mongo, Self::Anvil, Self::Redis];

    /// The name of its process, log and pid file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Amqp => "rabbitmq",
            Self::Mongo => "mongo",
            Self::S3 => "s3",
            Self::Ipfs => "ipfs",
            Self::Anvil => "anvil",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|store| store.name() == name)
    }

    pub fn ports(self) -> &'static [Port] {
        match self {
            Self::Postgres => &[Port::Postgres],
            Self::Redis => &[Port::Redis],
            Self::Amqp => &[Port::Amqp, Port::AmqpPage, Port::AmqpMetrics, Port::AmqpCluster],
            Self::Mongo => &[Port::Mongo],
            Self::S3 => s3::PORTS,
            Self::Ipfs => &[Port::Ipfs, Port::IpfsGateway],
            Self::Anvil => &[Port::Anvil],
        }
    }

    /// Starts it unless it runs, and returns when it answers.
    pub fn start(self, place: &Place) -> Result<Start> {
        if self == Self::Mongo && mongo::given().is_some() {
            return Ok(Start::Given);
        }
        let name = self.name();
        if place.room.is_alive(name) {
            self.wait_ready(place)?;
            return Ok(Start::Warm);
        }
        // Leftovers of a crash, such as children whose parent was killed.
        self.stop(place)?;
        if let Some(port) = self.ports().iter().map(|port| place.port(*port)).find(|port| !comes_free(*port))
        {
            bail!(
                "{name} needs port {port}, where somebody else listens: `ss -ltnp 'sport = {port}'` shows who; \
                 stop it, or choose other ports with VITRINE_PORT_BASE=21000"
            );
        }
        fs::create_dir_all(&place.data)?;
        match self {
            Self::Postgres => postgres::launch(place)?,
            Self::Redis => redis::launch(place)?,
            Self::Amqp => amqp::launch(place)?,
            Self::Mongo => mongo::launch(place)?,
            Self::S3 => s3::launch(place)?,
            Self::Ipfs => ipfs::launch(place)?,
            Self::Anvil => anvil::launch(place)?,
        }
        self.wait_ready(place)?;
        Ok(Start::Cold)
    }

    pub fn is_ready(self, place: &Place) -> bool {
        match self {
            Self::Postgres => postgres::is_ready(place),
            Self::Redis => redis::is_ready(place),
            Self::Amqp => amqp::is_ready(place),
            Self::Mongo => mongo::given().is_some() || mongo::is_ready(place),
            Self::S3 => s3::is_ready(place),
            Self::Ipfs => ipfs::is_ready(place),
            Self::Anvil => anvil::is_ready(place),
        }
    }

    pub fn stop(self, place: &Place) -> Result<()> {
        // SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        let signal = if self == Self::Postgres { libc::SIGINT } else { libc::SIGTERM };
        let gentle = match self {
            // What is thrown away needs no careful end.
            _ if place.is_trial() => Duration::from_secs(1),
            // It would wait 15 s for nobody; what it has acknowledged is with the kernel already.
            Self::S3 => Duration::from_secs(2),
            _ => Duration::from_secs(30),
        };
        place.room.stop(self.name(), signal, gentle)?;
        if self == Self::Amqp {
            amqp::stop_epmd(place)?;
        }
        Ok(())
    }

    fn wait_ready(self, place: &Place) -> Result<()> {
        let name = self.name();
        let log = place.room.log(name).display().to_string();
        let began = Instant::now();
        while !self.is_ready(place) {
            if !place.room.is_alive(name) {
                bail!("{name} ended while it started: {}; its log is {log}", place.room.last_words(name));
            }
            if began.elapsed() > Duration::from_secs(180) {
                bail!(
                    "{name} does not answer after 180 s: {}; its log is {log}",
                    place.room.last_words(name)
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The variables by which tests find this store.
    pub fn trial_exports(self, place: &Place) -> Result<Vec<(&'static str, String)>> {
        let at = |port| format!("127.0.0.1:{}", place.port(port));
        Ok(match self {
            Self::Postgres => {
                vec![(
                    "VITRINE_TEST_POSTGRES",
                    format!("postgres://postgres@{}/postgres", at(Port::Postgres)),
                )]
            }
            Self::Redis => vec![("VITRINE_TEST_REDIS", format!("redis://{}", at(Port::Redis)))],
            Self::Amqp => vec![
                ("VITRINE_TEST_AMQP", format!("amqp://guest:guest@{}", at(Port::Amqp))),
                ("VITRINE_TEST_AMQP_API", format!("http://guest:guest@{}", at(Port::AmqpPage))),
            ],
            Self::Mongo => vec![("VITRINE_TEST_MONGO", mongo_url(place))],
            Self::S3 => vec![
                ("VITRINE_TEST_S3", format!("http://{}", at(Port::S3))),
                ("VITRINE_TEST_S3_KEY", s3::KEY.to_owned()),
                ("VITRINE_TEST_S3_SECRET", place.password("s3")?.to_owned()),
            ],
            Self::Ipfs => vec![("VITRINE_TEST_IPFS", format!("http://{}", at(Port::Ipfs)))],
            Self::Anvil => vec![
                ("VITRINE_TEST_ANVIL", format!("http://{}", at(Port::Anvil))),
                ("VITRINE_TEST_ANVIL_BIN", crate::cache::ANVIL.path()?.display().to_string()),
            ],
        })
    }
}
