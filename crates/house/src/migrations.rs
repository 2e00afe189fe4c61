//! Migrations: numbered without a gap, and the outbox the same text wherever there is one.
use std::{collections::BTreeMap, fs, path::Path};

use crate::Finding;

const OUTBOX: &str = "0001_outbox_inbox.sql";

/// Database -> file -> text.
pub type Migrations = BTreeMap<String, BTreeMap<String, String>>;

pub fn read(root: &Path) -> anyhow::Result<Migrations> {
    let mut databases = Migrations::new();
    for database in fs::read_dir(root.join("migrations"))? {
        let database = database?;
        if !database.file_type()?.is_dir() {
            continue;
        }
        let mut texts = BTreeMap::new();
        for file in fs::read_dir(database.path())? {
            let file = file?;
            texts.insert(file.file_name().to_string_lossy().into_owned(), fs::read_to_string(file.path())?);
        }
        databases.insert(database.file_name().to_string_lossy().into_owned(), texts);
    }
    Ok(databases)
}

/// One relay reads them all, so they are one text; and it stands in the first migration only.
pub fn have_one_outbox(databases: &Migrations) -> Vec<Finding> {
    let mut found = Vec::new();
    let first = databases.values().find_map(|texts| texts.get(OUTBOX));
    for (database, texts) in databases {
        for (file, text) in texts {
            let path = format!("migrations/{database}/{file}");
            if file == OUTBOX && Some(text) != first {
                found.push(Finding {
                    path,
                    line: 1,
                    what: "the outbox is the same text in every database".into(),
                });
            } else if file != OUTBOX
                && (text.contains("table outbox") || text.contains("table processed_events"))
            {
                found.push(Finding { path, line: 1, what: format!("outbox and inbox are made in {OUTBOX}") });
            }
        }
    }
    found
}

/// `0001_`, `0002_`, ..: two branches that both add 0004 are noticed before a database is.
pub fn are_numbered(databases: &Migrations) -> Vec<Finding> {
    let mut found = Vec::new();
    for (database, texts) in databases {
        for (expected, file) in (1..).zip(texts.keys()) {
            if !file.starts_with(&format!("{expected:04}_")) || !file.ends_with(".sql") {
                let path = format!("migrations/{database}/{file}");
                found.push(Finding { path, line: 1, what: format!("expected number {expected:04}") });
            }
        }
    }
    found
}
