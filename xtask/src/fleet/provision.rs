//! What the services own in the stores: a database and a role each, and a user at the broker.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::http::{Ask, send};
use crate::ports::Port;
use crate::services::{Need, TABLE};
use crate::stores::{Place, postgres};

/// Databases that exist stay as they are; the passwords are set each time, because the file of secrets decides.
pub(super) fn databases(place: &Place) -> Result<()> {
    let owners = || TABLE.iter().filter(|service| service.has(Need::Database));
    let known =
        postgres::script(place, "select rolname from pg_roles union select datname from pg_database;")?;
    let is_known = |name: &str| known.lines().any(|line| line == name);

    let mut script = String::new();
    for service in owners() {
        let (role, database, password) =
            (service.role(), service.database(), place.password(&service.role())?);
        let verb = if is_known(&role) { "alter" } else { "create" };
        writeln!(script, "{verb} role {role} login password '{password}';")?;
        if !is_known(&database) {
            writeln!(script, "create database {database} owner {role};")?;
            writeln!(script, "revoke all on database {database} from public;")?;
        }
    }
    // The superuser's own databases are nobody else's either.
    script.push_str("revoke connect on database postgres, template1 from public;\n");
    postgres::script(place, &script).map(drop)
}

/// A password for each service's broker user, for the `topology` command, which knows what each may do.
pub(super) fn broker_users(place: &Place) -> Result<PathBuf> {
    let passwords: Result<BTreeMap<&str, &str>> =
        TABLE.iter().map(|service| Ok((service.name, place.password(&service.broker_secret())?))).collect();
    let path = place.room.run.join("broker-users.json");
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(serde_json::to_string(&passwords?)?.as_bytes())?;
    Ok(path)
}

/// A bucket is a folder of the store's filer, so making one takes no signature.
pub(super) fn buckets(place: &Place) -> Result<()> {
    let buckets = TABLE.iter().flat_map(|service| service.needs).filter_map(|need| match need {
        Need::Bucket(bucket) => Some(bucket),
        _ => None,
    });
    for bucket in buckets {
        let path = format!("/buckets/{bucket}/");
        let ask = Ask { method: "POST", path: &path, login: None, body: "" };
        let answer = send(place.ports.of(Port::S3Filer), &ask)?;
        // 409: it is there.
        if answer.status >= 300 && answer.status != 409 {
            bail!("the store answers {} to a new bucket {bucket}: {}", answer.status, answer.body.trim());
        }
    }
    Ok(())
}
