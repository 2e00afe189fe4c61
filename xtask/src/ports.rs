//! Every port that this repository ever listens on, in one table.
//!
//! `up` uses the documented ports; `VITRINE_PORT_BASE` or a test run shifts all of them to one block of a hundred.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long the sockets of a process that was killed may linger.
const LETTING_GO: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    Postgres,
    Redis,
    Amqp,
    AmqpPage,
    AmqpMetrics,
    AmqpCluster,
    Epmd,
    Mongo,
    S3,
    S3Grpc,
    S3Master,
    S3MasterGrpc,
    S3Volume,
    S3VolumeGrpc,
    S3Filer,
    S3FilerGrpc,
    Ipfs,
    IpfsGateway,
    Anvil,
    /// gRPC of the n-th service of `services::TABLE`, counted from 1.
    Grpc(u8),
    /// Operations (`/health`, `/ready`, `/metrics`): 0 is the gateway, 1 to 9 the services.
    Ops(u8),
    GatewayHttp,
    MediaHttp,
}

/// Port, documented number, offset from a base. The gRPC and operations rows are the first of their runs.
pub const TABLE: &[(Port, u16, u16)] = &[
    (Port::Postgres, 15432, 0),
    (Port::Redis, 16379, 1),
    (Port::Amqp, 15673, 2),
    (Port::AmqpPage, 15674, 3),
    (Port::AmqpMetrics, 15675, 4),
    (Port::AmqpCluster, 15676, 5),
    (Port::Epmd, 15677, 6),
    (Port::Mongo, 17017, 7),
    (Port::S3, 18333, 8),
    (Port::S3Grpc, 18334, 9),
    (Port::S3Master, 18335, 10),
    (Port::S3MasterGrpc, 18336, 11),
    (Port::S3Volume, 18337, 12),
    (Port::S3VolumeGrpc, 18338, 13),
    (Port::S3Filer, 18339, 14),
    (Port::S3FilerGrpc, 18340, 15),
    (Port::Ipfs, 15001, 16),
    (Port::IpfsGateway, 15002, 17),
    (Port::Anvil, 18545, 19),
    (Port::Grpc(1), 50051, 31),
    (Port::Ops(0), 9150, 50),
    (Port::GatewayHttp, 8081, 70),
    (Port::MediaHttp, 8082, 71),
];

/// How many ports after a base belong to one block.
pub const BLOCK: u16 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    Documented,
    From(u16),
}

impl Ports {
    /// The ports of `up`: documented, unless `VITRINE_PORT_BASE` says otherwise.
    pub fn of_environment() -> Result<Self> {
        match std::env::var("VITRINE_PORT_BASE") {
            Err(_) => Ok(Self::Documented),
            Ok(text) => Self::parse_base(&text),
        }
    }

    pub fn parse_base(text: &str) -> Result<Self> {
        let base: u16 = text.parse().with_context(|| format!("VITRINE_PORT_BASE is `{text}`, not a port"))?;
        if !(1024..=32_600).contains(&base) {
            bail!("VITRINE_PORT_BASE is {base}: choose one from 1024 to 32600, below the ephemeral range");
        }
        Ok(Self::From(base))
    }

    pub fn of(self, port: Port) -> u16 {
        let (first, steps) = match port {
            Port::Grpc(n) => (Port::Grpc(1), u16::from(n) - 1),
            Port::Ops(n) => (Port::Ops(0), u16::from(n)),
            other => (other, 0),
        };
        let row =
            TABLE.iter().find(|row| row.0 == first).expect("the table names every port, as its test says");
        steps
            + match self {
                Self::Documented => row.1,
                Self::From(base) => base + row.2,
            }
    }

    /// A block of a hundred free ports, outside the range that the kernel hands out.
    pub fn free_block(first: u16) -> Result<Self> {
        (first..29_900)
            .step_by(usize::from(BLOCK))
            .find(|base| (*base..*base + BLOCK).all(is_free))
            .map(Self::From)
            .context("no block of 100 free ports below 30000: stop what listens there, `ss -ltn` shows it")
    }
}

/// The documented gRPC ports lie where the kernel takes ports for outgoing connections; a connection that got one of
/// them keeps a service from its own. The kernel has a list of ports that it leaves alone, which root may write.
/// Answers whether they are on it now; without them on it `up` works all the same, but for that bad luck.
pub fn reserve(ports: Ports) -> bool {
    const LIST: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
    let (Ports::Documented, Ok(known)) = (ports, std::fs::read_to_string(LIST)) else { return false };
    let (first, last) = (ports.of(Port::Grpc(1)), ports.of(Port::Grpc(9)));
    let ours = format!("{first}-{last}");
    let known = known.trim();
    if known.split(',').any(|range| range == ours) {
        return true;
    }
    let all = if known.is_empty() { ours } else { format!("{known},{ours}") };
    std::fs::write(LIST, all).is_ok()
}

pub fn is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The same, with a little patience: a process that was killed a moment ago may still be letting go of its sockets.
pub fn comes_free(port: u16) -> bool {
    let began = Instant::now();
    while !is_free(port) {
        if began.elapsed() > LETTING_GO {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn all() -> Vec<Port> {
        let single =
            TABLE.iter().map(|row| row.0).filter(|port| !matches!(port, Port::Grpc(_) | Port::Ops(_)));
        single.chain((1..=9).map(Port::Grpc)).chain((0..=9).map(Port::Ops)).collect()
    }

    #[test]
    fn no_two_ports_are_the_same_whatever_the_base() {
        for ports in [Ports::Documented, Ports::From(20_000)] {
            let numbers: HashSet<u16> = all().into_iter().map(|port| ports.of(port)).collect();
            assert_eq!(numbers.len(), all().len(), "{ports:?}");
        }
    }

    #[test]
    fn a_block_holds_every_port_of_its_base() {
        let ports = Ports::From(20_000);
        assert!(all().into_iter().all(|port| (20_000..20_000 + BLOCK).contains(&ports.of(port))));
    }

    #[test]
    fn the_documented_ports_are_those_of_the_documents() {
        let of = |port| Ports::Documented.of(port);
        assert_eq!((of(Port::Grpc(1)), of(Port::Grpc(9))), (50051, 50059));
        assert_eq!((of(Port::Ops(0)), of(Port::Ops(9))), (9150, 9159));
        assert_eq!((of(Port::GatewayHttp), of(Port::MediaHttp)), (8081, 8082));
        let stores =
            [Port::Postgres, Port::Redis, Port::Amqp, Port::AmqpPage, Port::Mongo, Port::S3, Port::Ipfs];
        assert_eq!(stores.map(of), [15432, 16379, 15673, 15674, 17017, 18333, 15001]);
        assert_eq!(of(Port::Anvil), 18545);
    }

    #[test]
    fn a_base_in_the_ephemeral_range_is_refused() {
        assert!(Ports::parse_base("40000").is_err());
        assert!(Ports::parse_base("http").is_err());
        assert_eq!(Ports::parse_base("21000").expect("a port below the range"), Ports::From(21_000));
    }
}
