//! `.vitrine/run/env`: every address of the running fleet, for scripts and for `desk`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Result;

use super::Fleet;
use crate::ports::Port;
use crate::services::{Need, TABLE, VHOST, redis_url};
use crate::stores::{S3_KEY, mongo_url};
use crate::trial_stores::as_lines;

/// Holds passwords, so only its owner reads it.
pub(super) fn write(fleet: &Fleet) -> Result<()> {
    let mut file =
        File::options().create(true).write(true).truncate(true).mode(0o600).open(fleet.env_file())?;
    Ok(file.write_all(as_lines(&variables(fleet)?).as_bytes())?)
}

pub(super) fn variables(fleet: &Fleet) -> Result<BTreeMap<String, String>> {
    let place = &fleet.place;
    let port = |port| place.ports.of(port);
    let at = |number| format!("127.0.0.1:{}", port(number));
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        all.insert(format!("VITRINE_{name}"), value);
    };

    set("RUN", place.room.run.display().to_string());
    set("CERTS_DIR", fleet.certificates().display().to_string());
    set("GATEWAY_URL", format!("http://{}", at(Port::GatewayHttp)));
    set("GRAPHQL_URL", format!("http://{}/graphql", at(Port::GatewayHttp)));
    set("WS_URL", format!("ws://{}/graphql", at(Port::GatewayHttp)));
    set("PUBLIC_URL", format!("http://localhost:{}", port(Port::GatewayHttp)));
    set("MEDIA_URL", format!("http://{}", at(Port::MediaHttp)));
    for service in TABLE {
        let name = service.upper();
        if !service.is_gateway() {
            set(&format!("{name}_URL"), format!("https://{}", at(Port::Grpc(service.number))));
        }
        set(&format!("{name}_OPS"), format!("http://{}", at(Port::Ops(service.number))));
        if service.has(Need::Database) {
            set(&format!("{name}_DATABASE_URL"), service.database_url(place)?);
        }
    }
    let admin = format!("vitrine_admin:{}", place.password("amqp_admin")?);
    set("AMQP_ADMIN_URL", format!("amqp://{admin}@{}/{VHOST}", at(Port::Amqp)));
    set("AMQP_API", format!("http://{admin}@{}", at(Port::AmqpPage)));
    let postgres = place.password("postgres")?;
    set("POSTGRES_URL", format!("postgres://postgres:{postgres}@{}/postgres", at(Port::Postgres)));
    set("REDIS_URL", redis_url(place)?);
    set("MONGO_URL", mongo_url(place));
    set("S3_URL", format!("http://{}", at(Port::S3)));
    set("S3_KEY", S3_KEY.to_owned());
    set("S3_SECRET", place.password("s3")?.to_owned());
    set("IPFS_URL", format!("http://{}", at(Port::Ipfs)));
    set("RPC_URL", format!("http://{}", at(Port::Anvil)));
    set("RPC_WS_URL", format!("ws://{}", at(Port::Anvil)));
    Ok(all)
}
