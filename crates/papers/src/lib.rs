//! **papers** keeps the documents true: it reads the sources and the migrations, and prints the tables that
//! `docs/` shows. `tests/it` compares; `UPDATE=1 cargo test -p papers` writes them anew.

pub mod compose;
pub mod fields;
pub mod keys;
pub mod metrics;
pub mod page;
pub mod statements;
pub mod tables;
mod texts;

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Context;

/// Everything a table is printed from.
pub struct Tree {
    pub root: PathBuf,
    pub sources: Vec<house::Source>,
    /// Database folder (`chain_registry`) to its tables and views, in the order of their making.
    pub databases: BTreeMap<String, Vec<String>>,
}

impl Tree {
    pub fn read() -> anyhow::Result<Tree> {
        let root = house::root();
        let sources = house::read_tree(&root)?;
        let databases = tables::of_migrations(&root)?;
        Ok(Tree { root, sources, databases })
    }

    /// The sources that run in a process of the fleet: the services, the gateway, and the crates beneath them.
    pub fn of_the_fleet(&self) -> impl Iterator<Item = &house::Source> {
        const BENEATH: [&str; 4] = ["crates/bus/", "crates/evm/", "crates/launch/", "crates/rpc/"];
        let runs = |source: &&house::Source| {
            source.service().is_some() || BENEATH.iter().any(|folder| source.path.starts_with(folder))
        };
        self.sources.iter().filter(runs).filter(|source| !source.is_test_file())
    }

    /// A file of the repository.
    pub fn text(&self, path: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.root.join(path)).with_context(|| format!("{path} cannot be read"))
    }
}

/// The crate that a source belongs to: `indexer`, `bus`, `gateway`.
pub fn crate_of(source: &house::Source) -> &str {
    let (folder, _) = source.path.split_once("/src/").unwrap_or((&source.path, ""));
    folder.rsplit('/').next().unwrap_or(folder)
}
