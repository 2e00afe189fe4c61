//! The tables of the databases: which there are, by the migrations, and who touches them, by the statements.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{Tree, crate_of, page::Table, statements::touched, texts};

/// Database folder to its tables and views.
pub(crate) fn of_migrations(root: &Path) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let mut databases = BTreeMap::new();
    for folder in fs::read_dir(root.join("migrations"))?.filter_map(Result::ok).filter(|f| f.path().is_dir())
    {
        let mut files: Vec<_> =
            fs::read_dir(folder.path())?.filter_map(Result::ok).map(|f| f.path()).collect();
        files.sort();
        let mut names: Vec<String> = Vec::new();
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "sql")) {
            for line in fs::read_to_string(file)?.lines() {
                follow(&mut names, line);
            }
        }
        databases.insert(folder.file_name().to_string_lossy().into_owned(), names);
    }
    Ok(databases)
}

fn follow(names: &mut Vec<String>, line: &str) {
    let words: Vec<&str> = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let skip = ["if", "not", "exists", "only"];
    let named =
        |words: &[&str]| words.iter().find(|w| !skip.contains(w) && !w.is_empty()).map(|w| (*w).to_owned());
    match words.as_slice() {
        ["create", "table" | "view", rest @ ..]
        | ["create", "or", "replace" | "materialized", "view", rest @ ..] => {
            names.extend(named(rest).filter(|name| !names.contains(name)));
        }
        ["create", "materialized", "view", rest @ ..] => names.extend(named(rest)),
        ["drop", "table" | "view", rest @ ..] => {
            let gone = named(rest);
            names.retain(|name| Some(name) != gone.as_ref());
        }
        _ => {}
    }
}

/// The databases' folder of a service: `chain-registry` has `chain_registry`.
fn database_of(service: &str) -> String {
    service.replace('-', "_")
}

#[derive(Default)]
struct Rooms {
    writing: BTreeSet<String>,
    reading: BTreeSet<String>,
}

/// One table of the page for each database.
pub fn printed(tree: &Tree) -> Vec<Table> {
    let rooms = rooms(tree);
    let mut pages = Vec::new();
    for (database, names) in &tree.databases {
        let rows = names.iter().map(|name| {
            let empty = Rooms::default();
            let rooms = rooms.get(&(database.clone(), name.clone())).unwrap_or(&empty);
            vec![format!("`{name}`"), list(&rooms.writing), list(&rooms.reading)]
        });
        pages.push(Table {
            name: format!("{database}_db"),
            columns: vec!["table", "what it holds", "written in", "read in"],
            by_hand: Some(1),
            rows: rows.collect(),
        });
    }
    pages
}

fn list(rooms: &BTreeSet<String>) -> String {
    match rooms.is_empty() {
        true => "nobody yet".to_owned(),
        false => rooms.iter().map(|room| format!("`{room}`")).collect::<Vec<_>>().join(" "),
    }
}

fn rooms(tree: &Tree) -> BTreeMap<(String, String), Rooms> {
    let mut all: BTreeMap<(String, String), Rooms> = BTreeMap::new();
    for source in tree.of_the_fleet() {
        let (Some(service), Some(room)) = (source.service(), source.room()) else { continue };
        let database = database_of(service);
        let Some(names) = tree.databases.get(&database) else { continue };
        let mut note = |name: &str, room: &str, writes: bool, reads: bool| {
            if names.iter().any(|known| known == name) {
                let rooms = all.entry((database.clone(), name.to_owned())).or_default();
                rooms.writing.extend(writes.then(|| room.to_owned()));
                rooms.reading.extend(reads.then(|| room.to_owned()));
            }
        };
        for touched in texts::all_of(source).filter_map(|text| touched(&text)) {
            touched.written.iter().for_each(|name| note(name, room, true, false));
            touched.read.iter().for_each(|name| note(name, room, false, true));
        }
        // Whoever uses the broker's outbox and inbox has them in its own database.
        for token in &source.tokens {
            match token.to_string().as_str() {
                "outbox" => note("outbox", "bus::outbox", true, true),
                "inbox" => note("processed_events", "bus::inbox", true, true),
                _ => {}
            }
        }
    }
    all
}

/// Statements that name a table of another service's database: there must be none.
pub fn trespasses(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for source in tree.of_the_fleet() {
        let Some(service) = source.service() else { continue };
        let own = tree.databases.get(&database_of(service)).cloned().unwrap_or_default();
        for touched in texts::all_of(source).filter_map(|text| touched(&text)) {
            for name in touched.written.iter().chain(&touched.read).filter(|name| !own.contains(name)) {
                let of_others = tree.databases.iter().filter(|(_, names)| names.contains(name));
                for (database, _) in of_others {
                    found.push(format!(
                        "{}: {} names `{name}` of {database}_db",
                        source.path,
                        crate_of(source)
                    ));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::follow;

    #[test]
    fn a_migration_makes_and_drops() {
        let mut names = Vec::new();
        for line in [
            "create table a (",
            "create table if not exists b (",
            "create index a_idx on a (x);",
            "create or replace view c as select 1;",
            "drop table b;",
        ] {
            follow(&mut names, line);
        }
        assert_eq!(names, ["a", "c"]);
    }
}
