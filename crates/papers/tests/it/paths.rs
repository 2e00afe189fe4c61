//! A document that names a file names one that is there.
use std::fs;

use super::{path, read};

const FOLDERS: [&str; 11] = [
    "contracts/",
    "crates/",
    "deploy/",
    "desk/",
    "docs/",
    "e2e/",
    "gateway/",
    "migrations/",
    "proto/",
    "services/",
    "xtask/",
];
/// Recipes name at most this many files; more means that the structure is wrong, not the reader.
const MOST_STEPS: usize = 7;

fn documents() -> Vec<String> {
    let mut found = vec!["migrations/README.md".to_owned()];
    for entry in fs::read_dir(path("docs")).expect("there are documents").filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            found.push(format!("docs/{name}"));
        }
    }
    found
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = read(&document);
        let named =
            text.split('`').skip(1).step_by(2).filter(|word| FOLDERS.iter().any(|f| word.starts_with(f)));
        // `services/<name>/src/grpc.rs` is a place to fill in.
        for word in named.filter(|word| !word.contains(['<', '*', '{', ' ', ':', '('])) {
            if !path(word).exists() {
                wrong.push(format!("{document}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these are not there:\n{}", wrong.join("\n"));
}

#[test]
fn a_recipe_has_at_most_seven_steps() {
    for recipe in ["docs/adding-an-rpc.md", "docs/adding-an-event.md"] {
        let steps =
            read(recipe).lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
        assert!((3..=MOST_STEPS).contains(&steps), "{recipe} has {steps} steps");
    }
}
