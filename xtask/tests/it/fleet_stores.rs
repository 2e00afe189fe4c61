//! The stores of a fleet in a folder and on ports of their own: start, rights, crash, stop.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use xtask::fleet::Fleet;
use xtask::ports::Ports;
use xtask::services::{self, Need, TABLE};
use xtask::stores::Store;
use xtask::{process, sockets};

/// Stops what it started also when an assertion fails.
struct Stage {
    fleet: Fleet,
    folder: PathBuf,
}

impl Stage {
    fn set() -> Self {
        let folder = std::env::temp_dir().join(format!("vitrine-fleet-{}", std::process::id()));
        let ports = Ports::free_block(27_000).expect("a free block");
        let fleet = Fleet::open(&folder, ports).expect("a new folder");
        Self { fleet, folder }
    }

    fn running(&self) -> Vec<(String, i32)> {
        let room = self.fleet.room();
        room.names().into_iter().filter_map(|name| Some((name.clone(), room.pid(&name)?))).collect()
    }

    fn connects(&self, role_of: &str, database_of: &str) -> bool {
        let role = services::find(role_of).expect("a service");
        let database = services::find(database_of).expect("a service").database();
        let url = role
            .database_url(self.fleet.place())
            .expect("it has a password")
            .replace(&role.database(), &database);
        let psql = xtask::stores::postgres::programs().expect("an installed server").join("psql");
        process::run(Command::new(psql).args(["-X", "-c", "create table t(); drop table t", &url])).is_ok()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.fleet.down();
        let _ = self.fleet.erase();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_stores_of_a_fleet_keep_to_loopback_and_to_their_owners_and_leave_nothing_behind() {
    let stage = Stage::set();
    let fleet = &stage.fleet;
    fleet.start_stores().expect("all stores start");
    let first = stage.running();

    fleet.start_stores().expect("a second start finds them");
    assert_eq!(stage.running(), first, "a second start changes nothing");

    for (name, pid) in &first {
        let open = sockets::listeners(*pid);
        assert!(!open.is_empty(), "{name} listens somewhere");
        assert!(open.iter().all(|address| address.ip().is_loopback()), "{name} listens on {open:?}");
    }

    let owners = || TABLE.iter().filter(|service| service.has(Need::Database)).map(|service| service.name);
    for role in owners() {
        for database in owners() {
            assert_eq!(
                stage.connects(role, database),
                role == database,
                "{role} in the database of {database}"
            );
        }
    }

    for store in [Store::Redis, Store::Postgres, Store::Amqp] {
        fleet.kill(store.name()).expect("it runs");
        assert!(!fleet.store_is_ready(store));
        fleet.start(store.name(), &[]).expect("it comes back after a crash");
    }
    assert!(stage.connects("wallet", "wallet"), "what was there before the crash is there after it");

    let before_stop = stage.running();
    fleet.down().expect("everything stops");
    assert_eq!(stage.running(), []);
    assert_eq!(fleet.room().names(), Vec::<String>::new());
    // One that has ended and waits to be collected by its parent, this process, is not alive.
    let lives = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    let alive: Vec<&(String, i32)> = before_stop.iter().filter(|(_, pid)| lives(pid)).collect();
    assert!(alive.is_empty(), "{alive:?}");
}
