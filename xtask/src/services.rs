//! The ten processes: which there are, what each needs, and the environment that tells it where that is.

use anyhow::Result;

use crate::ports::Port;
use crate::stores::Place;

mod variables;

pub struct Service {
    /// Folder, crate, binary, broker user and log, in kebab case.
    pub name: &'static str,
    /// 1 to 9 for the services as the documents number them, 0 for the gateway.
    pub number: u8,
    pub needs: &'static [Need],
    /// Whom it calls; the key is `peers.<name>`.
    pub peers: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Database,
    Redis,
    Amqp,
    Mongo,
    Bucket(&'static str),
    Ipfs,
}

use Need::{Amqp, Bucket, Database, Ipfs, Mongo, Redis};

/// In the order in which it makes sense to start and to list them.
pub const TABLE: &[Service] = &[
    Service { name: "chain-registry", number: 6, needs: &[Database, Redis, Bucket("abi-blobs")], peers: &[] },
    Service {
        name: "auth",
        number: 1,
        needs: &[Database, Redis, Amqp],
        peers: &["user", "wallet", "chain-registry"],
    },
    Service { name: "user", number: 2, needs: &[Database, Redis, Amqp], peers: &["catalog"] },
    Service { name: "wallet", number: 3, needs: &[Database, Redis, Amqp], peers: &["auth"] },
    Service {
        name: "orchestrator",
        number: 4,
        needs: &[Database, Redis, Amqp],
        peers: &["chain-registry", "catalog", "wallet", "auth", "indexer"],
    },
    Service {
        name: "media",
        number: 5,
        needs: &[Mongo, Amqp, Bucket("media"), Ipfs],
        peers: &["chain-registry"],
    },
    Service { name: "catalog", number: 7, needs: &[Database, Redis, Amqp], peers: &["media"] },
    Service { name: "indexer", number: 8, needs: &[Database, Amqp, Mongo], peers: &["chain-registry"] },
    Service { name: "subs-worker", number: 9, needs: &[Redis, Amqp], peers: &["orchestrator"] },
    Service {
        name: "gateway",
        number: 0,
        needs: &[],
        peers: &[
            "auth",
            "user",
            "wallet",
            "orchestrator",
            "media",
            "chain-registry",
            "catalog",
            "indexer",
            "subs-worker",
        ],
    },
];

pub fn find(name: &str) -> Option<&'static Service> {
    TABLE.iter().find(|service| service.name == name)
}

impl Service {
    pub fn is_gateway(&self) -> bool {
        self.number == 0
    }

    pub fn has(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }

    /// `chain_registry`: Rust paths, databases, `peers` keys.
    pub fn snake(&self) -> String {
        snake(self.name)
    }

    /// `CHAIN_REGISTRY`: the prefix of its variables.
    pub fn upper(&self) -> String {
        self.snake().to_uppercase()
    }

    pub fn database(&self) -> String {
        format!("{}_db", self.snake())
    }

    pub fn role(&self) -> String {
        format!("vitrine_{}", self.snake())
    }

    /// The secret's name under which its password at the broker is kept.
    pub fn broker_secret(&self) -> String {
        format!("amqp_{}", self.snake())
    }

    pub fn ops_port(&self, place: &Place) -> u16 {
        place.ports.of(Port::Ops(self.number))
    }

    /// Every port that it opens.
    pub fn listens_on(&self, place: &Place) -> Vec<u16> {
        let doors = match self.name {
            "gateway" => vec![Port::GatewayHttp],
            "media" => vec![Port::Grpc(self.number), Port::MediaHttp],
            _ => vec![Port::Grpc(self.number)],
        };
        doors.into_iter().chain([Port::Ops(self.number)]).map(|port| place.ports.of(port)).collect()
    }

    pub fn database_url(&self, place: &Place) -> Result<String> {
        let password = place.password(&self.role())?;
        let port = place.ports.of(Port::Postgres);
        Ok(format!("postgres://{}:{password}@127.0.0.1:{port}/{}", self.role(), self.database()))
    }
}

/// The broker's namespace of the fleet.
pub const VHOST: &str = "vitrine";

pub fn redis_url(place: &Place) -> Result<String> {
    Ok(format!("redis://:{}@127.0.0.1:{}", place.password("redis")?, place.ports.of(Port::Redis)))
}

fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// Every secret that a fleet needs.
pub fn secret_names() -> Vec<String> {
    let fixed = ["postgres", "redis", "amqp_admin", "amqp_cookie", "s3", "cursor_key"].map(str::to_owned);
    let roles = TABLE.iter().filter(|service| service.has(Database)).map(Service::role);
    let users = TABLE.iter().map(Service::broker_secret);
    fixed.into_iter().chain(roles).chain(users).collect()
}

#[cfg(test)]
mod tests;
