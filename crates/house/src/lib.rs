//! **house** keeps the rules of the house that a compiler cannot see. Each rule is a function over sources, so that
//! its test can show it a violation; `tests/it` shows it the tree.

pub mod calls;
pub mod crates;
pub mod files;
pub mod logs;
pub mod migrations;
pub mod rooms;
pub mod safety;
pub mod sql;
mod tree;

pub use tree::{Finding, Source, read_tree, root};
