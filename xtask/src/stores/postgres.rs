//! PostgreSQL from the system's package, as a private cluster on loopback without a socket file.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Place;
use crate::ports::Port;
use crate::process::{is_root, run, run_with, user};

pub(super) fn launch(place: &Place) -> Result<()> {
    let folder = folder(place);
    let programs = programs()?;
    if !folder.join("PG_VERSION").exists() {
        make_cluster(place, &programs, &folder)?;
    }
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", place.port(Port::Postgres)),
        // A socket file has a path limit that a deep clone would break, and nobody needs one.
        "unix_socket_directories=".to_owned(),
        "max_connections=400".to_owned(),
        "shared_buffers=128MB".to_owned(),
        // The bodies of the outboxes are long, and the older method takes five times as long to make them short.
        "default_toast_compression=lz4".to_owned(),
        "log_min_messages=warning".to_owned(),
    ];
    let forgetful = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned);
    let mut server = as_server(programs.join("postgres"));
    server.arg("-D").arg(&folder);
    for setting in settings.iter().chain(forgetful.iter().filter(|_| place.is_trial())) {
        server.args(["-c", setting]);
    }
    place.room.spawn("postgres", server)
}

fn make_cluster(place: &Place, programs: &Path, folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    let mut initdb = as_server(programs.join("initdb"));
    initdb.arg("-D").arg(folder).args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    let secret = folder.with_extension("password");
    if place.is_trial() {
        initdb.arg("--auth=trust");
    } else {
        // initdb reads the password from a file, as the server's user.
        fs::write(&secret, place.password("postgres")?)?;
        initdb.arg("--auth=scram-sha-256").arg("--pwfile").arg(&secret);
    }
    if let Some((uid, gid)) = server_user() {
        chown(folder, Some(uid), Some(gid))?;
        if secret.exists() {
            use std::os::unix::fs::PermissionsExt;
            chown(&secret, Some(uid), Some(gid))?;
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        }
    }
    let made = run(&mut initdb);
    let _ = fs::remove_file(secret);
    made.map(drop)
}

pub(super) fn is_ready(place: &Place) -> bool {
    let Ok(programs) = programs() else { return false };
    let mut ask = Command::new(programs.join("pg_isready"));
    ask.args(["-q", "-h", "127.0.0.1", "-t", "2", "-p", &place.port(Port::Postgres).to_string()]);
    run(&mut ask).is_ok()
}

/// Runs a script as the superuser of the cluster, each statement in a transaction of its own.
pub fn script(place: &Place, sql: &str) -> Result<String> {
    run_with(&mut superuser(place, "postgres")?, sql)
}

/// Runs files in one database, each in a transaction of its own.
pub fn script_files(place: &Place, database: &str, files: &[PathBuf]) -> Result<()> {
    for file in files {
        let mut psql = superuser(place, database)?;
        // As sqlx applies it: an index that is made concurrently allows for no transaction around it.
        if !std::fs::read_to_string(file)?.starts_with("-- no-transaction") {
            psql.arg("-1");
        }
        run(psql.arg("-f").arg(file))?;
    }
    Ok(())
}

fn superuser(place: &Place, database: &str) -> Result<Command> {
    let mut psql = Command::new(programs()?.join("psql"));
    psql.args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
        "-d",
        database,
    ]);
    psql.args(["-p", &place.port(Port::Postgres).to_string()]).env("PGPASSWORD", place.password("postgres")?);
    Ok(psql)
}

/// The newest installed server, 15 or later.
pub fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(version, bin)| *version >= 15 && bin.join("initdb").exists())
        .max();
    let (_, bin) = newest.context("PostgreSQL 15 or later is missing: apt-get install postgresql")?;
    Ok(bin)
}

/// PostgreSQL refuses to run as root; its package made a user for it.
fn server_user() -> Option<(u32, u32)> {
    if is_root() { user("postgres") } else { None }
}

fn as_server(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command
}

/// Where its files are: beside the other stores', or under `/var/tmp` when the server's user cannot enter the clone.
fn folder(place: &Place) -> PathBuf {
    let is_closed = server_user().is_some() && place.data.ancestors().any(|folder| !is_open(folder));
    if !is_closed {
        return place.data.join("postgres");
    }
    // FNV-1a of the path: one short name for one clone.
    let hash =
        place.data.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    PathBuf::from(format!("/var/tmp/vitrine-{hash:016x}/postgres"))
}

/// Removes what it ever stored.
pub fn erase(place: &Place) -> Result<()> {
    let folder = folder(place);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn is_open(folder: &Path) -> bool {
    fs::metadata(folder).map_or(true, |entry| entry.mode() & 0o001 != 0)
}
