//! `cargo xtask status`: every process with its state, and a failing exit code when one is not well.

use anyhow::{Result, bail};

use crate::fleet::Fleet;
use crate::services::TABLE;
use crate::stores::Store;

pub fn status(fleet: &Fleet) -> Result<()> {
    let mut bad: Vec<&str> = Vec::new();
    println!("{:<16} {:<10} {:>8} {:>6}", "process", "state", "pid", "port");
    let stores = Store::ALL.into_iter().map(|store| {
        let state = if fleet.store_is_ready(store) { Ok(()) } else { Err("does not answer".to_owned()) };
        (store.name(), fleet.ports().of(store.ports()[0]), state)
    });
    let services = TABLE.iter().map(|service| {
        let port = service.listens_on(fleet.place())[0];
        (service.name, port, fleet.service_state(service))
    });
    for (name, port, ready) in stores.chain(services) {
        let pid = fleet.room().pid(name);
        let (word, why) = match (pid, &ready) {
            (None, Ok(())) => ("given", ""),
            (None, Err(_)) if fleet.room().is_wanted(name) => ("CRASHED", ""),
            (None, Err(_)) => ("stopped", ""),
            (Some(_), Ok(())) => ("ready", ""),
            (Some(_), Err(why)) => ("NOT READY", why.as_str()),
        };
        if ready.is_err() {
            bad.push(name);
        }
        let pid = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        println!("{}", format!("{name:<16} {word:<10} {pid:>8} {port:>6}  {why}").trim_end());
    }
    match bad.as_slice() {
        [] => Ok(()),
        all if all.len() == TABLE.len() + Store::ALL.len() => bail!("nothing runs: `cargo xtask up`"),
        some => bail!(
            "not well: {}. `cargo xtask logs <name>` says why, `restart <name>` tries again",
            some.join(", ")
        ),
    }
}
