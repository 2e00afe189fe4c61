//! `cargo xtask sqlx`: checks every query against real databases and writes what it learned to `.sqlx`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::check::{cargo, phase};
use crate::progress::step;
use crate::repository;
use crate::services::{Need, Service, TABLE};
use crate::stores::postgres;
use crate::trial_stores::Trial;

/// The macros write a file for each query that they see while they are connected, so everything has to be seen again.
pub fn prepare_queries() -> Result<()> {
    let owners: Vec<&Service> = TABLE.iter().filter(|service| service.has(Need::Database)).collect();
    let trial = Trial::open(&repository().join(".vitrine/test"), 21_000)?;
    trial.start()?;

    let fresh = repository().join("target/sqlx");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh)?;
    let mut check = cargo(&["check", "--workspace", "--all-targets"]);
    check.env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &fresh);
    step("databases", || {
        for service in &owners {
            let url = make_database(&trial, service)?;
            check.env(format!("{}__DATABASE_URL", service.upper()), url);
            see_again(service)?;
        }
        Ok(())
    })?;
    phase("check queries", check)?;

    let kept = repository().join(".sqlx");
    let files = json_files(&fresh)?;
    if files.is_empty() {
        bail!("no query was seen; is a `query!` macro left anywhere?");
    }
    let _ = fs::remove_dir_all(&kept);
    fs::create_dir_all(&kept)?;
    for file in &files {
        fs::copy(file, kept.join(file.file_name().context("a file has a name")?))?;
    }
    println!("{} queries in {}", files.len(), kept.display());
    Ok(())
}

fn make_database(trial: &Trial, service: &Service) -> Result<String> {
    let database = format!("sqlx_{}", service.snake());
    let place = trial.place();
    postgres::script(
        place,
        &format!("drop database if exists {database} with (force);\ncreate database {database};"),
    )?;
    let folder = repository().join("migrations").join(service.snake());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("{} has no migrations", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "sql"))
        .collect();
    files.sort();
    postgres::script_files(place, &database, &files)?;
    Ok(format!("{}/{database}", trial.postgres_server()))
}

/// Cargo takes a crate for changed when its root file is newer than what was built from it.
fn see_again(service: &Service) -> Result<()> {
    let folder = repository().join("services").join(service.name);
    for root in ["src/lib.rs", "src/main.rs", "tests/it/main.rs"] {
        let path = folder.join(root);
        if path.exists() {
            let file = fs::File::options().append(true).open(&path)?;
            file.set_modified(std::time::SystemTime::now())?;
        }
    }
    Ok(())
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect())
}
