//! The documents, compared with what they are about. `UPDATE=1` writes the printed parts anew.
mod alerts;
mod compose;
mod config;
mod data_map;
mod glossary;
mod paths;
mod telemetry;

use std::{fs, path::PathBuf, sync::LazyLock};

use papers::{
    Tree,
    page::{Table, reprint},
};

/// The ten binaries, in the order of their ports.
const BINARIES: [&str; 10] = [
    "gateway",
    "auth",
    "user",
    "wallet",
    "orchestrator",
    "media",
    "chain-registry",
    "catalog",
    "indexer",
    "subs-worker",
];

/// Parsed sources cannot leave their thread, so what is wanted of them is printed here, once.
static PRINTED: LazyLock<Printed> = LazyLock::new(|| {
    let tree = Tree::read().expect("the tree can be read");
    let mut stores = papers::tables::printed(&tree);
    stores.extend([papers::keys::redis(&tree), papers::keys::queues(), papers::keys::mongo(&tree)]);
    stores.push(papers::keys::buckets(&tree).expect("the services have defaults"));
    Printed {
        stores,
        telemetry: vec![papers::metrics::printed(&tree), papers::fields::printed(&tree)],
        trespasses: papers::tables::trespasses(&tree),
    }
});

struct Printed {
    stores: Vec<Table>,
    telemetry: Vec<Table>,
    trespasses: Vec<String>,
}

fn path(of: &str) -> PathBuf {
    house::root().join(of)
}

fn read(of: &str) -> String {
    fs::read_to_string(path(of)).unwrap_or_else(|err| panic!("{of}: {err}"))
}

/// Compares a document with what it should say, or writes it.
#[track_caller]
fn same(document: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(document), expected).expect("the document can be written");
        return;
    }
    assert!(
        read(document) == expected,
        "{document} is behind the code: UPDATE=1 cargo test -p papers writes it anew"
    );
}

/// The printed tables of a document are what the code prints, and every row has its words.
#[track_caller]
fn tables_are_true(document: &str, tables: &[Table]) {
    let printed = reprint(&read(document), tables).unwrap_or_else(|err| panic!("{document}: {err}"));
    same(document, &printed);
    let speechless: Vec<&str> = printed.lines().filter(|line| line.contains("| ? |")).collect();
    assert!(speechless.is_empty(), "{document}: say what these are:\n{}", speechless.join("\n"));
}
