//! `docs/data-map.md`: what is stored where, and that a database has one owner.
use std::collections::BTreeSet;

use super::{BINARIES, PRINTED, read, tables_are_true};

#[test]
fn the_map_names_every_table_key_queue_collection_and_bucket() {
    tables_are_true("docs/data-map.md", &PRINTED.stores);
}

#[test]
fn nothing_is_stored_where_the_scan_finds_nothing() {
    let sizes: Vec<(&str, usize)> =
        PRINTED.stores.iter().map(|table| (table.name.as_str(), table.rows.len())).collect();
    assert!(sizes.iter().all(|(_, rows)| *rows > 0), "{sizes:?}");
    assert_eq!(sizes.iter().filter(|(name, _)| name.ends_with("_db")).count(), 7, "{sizes:?}");
}

#[test]
fn no_statement_names_a_table_of_another_database() {
    assert!(PRINTED.trespasses.is_empty(), "{}", PRINTED.trespasses.join("\n"));
}

#[test]
fn a_service_is_told_of_its_own_database_only() {
    let owners: BTreeSet<&str> = BINARIES.into_iter().filter(|name| *name != "gateway").collect();
    let databases: Vec<(&str, String)> =
        owners.iter().map(|owner| (*owner, format!("/{}_db", owner.replace('-', "_")))).collect();
    for owner in owners.iter().filter(|owner| super::path(&format!("services/{owner}/sqlx.toml")).exists()) {
        let told = read(&format!("services/{owner}/config.toml"));
        for (of, database) in &databases {
            assert_eq!(told.contains(database.as_str()), of == owner, "{owner} and {database}");
        }
        let snake = owner.replace('-', "_");
        let checked = read(&format!("services/{owner}/sqlx.toml"));
        assert!(checked.contains(&format!("\"../../migrations/{snake}\"")), "{owner}: {checked}");
        assert!(
            checked.contains(&format!("\"{}__DATABASE_URL\"", snake.to_uppercase())),
            "{owner}: {checked}"
        );
    }
}
