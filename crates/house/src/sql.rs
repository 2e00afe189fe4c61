//! SQL stands in `store`, in full view, and is never glued together.
use proc_macro2::TokenTree;

use crate::{Finding, Source, tree::is_call};

/// These have statements of their own: the outbox, the migrations, the tests' databases.
const MAY: [&str; 3] = ["crates/bus/", "crates/launch/", "crates/testkit/"];
const ASKS: [&str; 10] = [
    "query",
    "query_as",
    "query_scalar",
    "query_unchecked",
    "query_as_unchecked",
    "query_scalar_unchecked",
    "query_with",
    "query_as_with",
    "query_file",
    "raw_sql",
];
const RUNS: [&str; 7] =
    ["execute", "execute_many", "fetch", "fetch_one", "fetch_all", "fetch_optional", "fetch_many"];

/// Statements only in `store.rs` and below `store/`.
pub fn is_in_store(source: &Source) -> Vec<Finding> {
    let in_room = source.room().is_some_and(|room| room == "store" || room.starts_with("store/"));
    if in_room || !is_of_the_fleet(source) || MAY.iter().any(|may| source.path.starts_with(may)) {
        return Vec::new();
    }
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Ident(name) = token else { continue };
        let (name, line) = (name.to_string(), name.span().start().line);
        let word = |back: usize| at.checked_sub(back).and_then(|i| tokens.get(i)).map(ToString::to_string);
        let next = tokens.get(at + 1).map(ToString::to_string);
        let is_path = word(1).as_deref() == Some(":") && word(3).as_deref() == Some("sqlx");
        let is_macro =
            next.as_deref() == Some("!") && is_call(tokens.get(at + 2)) && word(1).as_deref() != Some(".");
        if ASKS.contains(&name.as_str()) && (is_path || is_macro) {
            found.push(source.finding(line, format!("`{name}` outside of store")));
        }
        let is_method = word(1).as_deref() == Some(".") && is_call(tokens.get(at + 1));
        let argument = tokens.get(at + 2).map(ToString::to_string).unwrap_or_default();
        if RUNS.contains(&name.as_str()) && is_method && is_statement(&argument) {
            found.push(source.finding(line, "a statement outside of store"));
        }
    }
    found
}

/// `AssertSqlSafe` is how text that was put together at run time gets past sqlx.
pub fn is_not_glued(source: &Source) -> Vec<Finding> {
    if !is_of_the_fleet(source) || source.path.starts_with("crates/testkit/") {
        return Vec::new();
    }
    let tokens = &source.tokens;
    let glue = tokens.iter().filter(|token| token.to_string() == "AssertSqlSafe");
    glue.map(|token| source.finding(token.span().start().line, "SQL is never put together at run time"))
        .collect()
}

/// Tools set databases up; that is not the fleet's SQL. The rules' own words are here.
fn is_of_the_fleet(source: &Source) -> bool {
    !["xtask/", "desk/", "e2e/", "bench/", "crates/house/"].iter().any(|tool| source.path.starts_with(tool))
}

fn is_statement(literal: &str) -> bool {
    let text = literal.trim_start_matches(['r', '#', '"']).trim_start().to_lowercase();
    let verbs = [
        "select ",
        "insert ",
        "update ",
        "delete ",
        "create ",
        "alter ",
        "drop ",
        "with ",
        "truncate ",
        "set ",
    ];
    literal.contains('"') && verbs.iter().any(|verb| text.starts_with(verb))
}
