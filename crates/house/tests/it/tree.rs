//! The tree as it is.
use std::{collections::BTreeMap, fs, sync::LazyLock};

use house::{Finding, Source, calls, crates, files, logs, migrations, read_tree, rooms, root, safety, sql};

type Rule = fn(&Source) -> Vec<Finding>;

const RULES: [(&str, Rule); 11] = [
    ("opening", files::opens_with_a_sentence),
    ("length", files::is_not_too_long),
    ("drawers", files::is_no_drawer),
    ("sql in store", sql::is_in_store),
    ("sql glued", sql::is_not_glued),
    ("unwrap", safety::does_not_unwrap),
    ("lints", safety::gives_reasons),
    ("environment", safety::leaves_the_environment_alone),
    ("doors", rooms::doors_are_not_called_back),
    ("model", rooms::model_is_pure),
    ("logs", logs::says_one_fixed_sentence),
];

/// Parsing is what takes the time, and a parsed file cannot leave its thread: so everything is found in one go.
static FOUND: LazyLock<BTreeMap<&str, Vec<Finding>>> = LazyLock::new(|| {
    let sources = read_tree(&root()).expect("every file of the tree is Rust");
    assert!(sources.len() > 50, "the tree was not found");
    let mut found: BTreeMap<_, _> =
        RULES.iter().map(|(name, rule)| (*name, sources.iter().flat_map(rule).collect())).collect();
    found.insert("calls", compare_calls(&sources));
    found
});

fn compare_calls(sources: &[Source]) -> Vec<Finding> {
    let contracts = calls::contracts(&root()).expect("protos can be read");
    let list =
        calls::listed(&fs::read_to_string(root().join("docs/calls.txt")).expect("the list can be read"));
    let made = calls::made(sources, &contracts);
    let mut found = calls::list_fits_the_contracts(&list, &contracts);
    found.extend(calls::made_calls_are_listed(&made, &list));
    found.extend(calls::listed_calls_are_made(&made, &list));
    found
}

#[track_caller]
fn none(found: &[Finding]) {
    let said: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "\n{}\n", said.join("\n"));
}

#[track_caller]
fn obeyed(rule: &str) {
    none(&FOUND[rule]);
}

#[test]
fn every_file_opens_with_a_sentence() {
    obeyed("opening");
}

#[test]
fn no_file_is_longer_than_500_lines() {
    obeyed("length");
}

#[test]
fn nothing_is_named_like_a_drawer() {
    obeyed("drawers");
}

#[test]
fn sql_stands_in_stores_only() {
    obeyed("sql in store");
}

#[test]
fn sql_is_never_put_together_at_run_time() {
    obeyed("sql glued");
}

#[test]
fn nothing_unwraps_outside_of_tests() {
    obeyed("unwrap");
}

#[test]
fn every_silenced_lint_has_a_reason() {
    obeyed("lints");
}

#[test]
fn only_launch_and_the_tools_read_the_environment() {
    obeyed("environment");
}

#[test]
fn doors_are_known_to_lib_only() {
    obeyed("doors");
}

#[test]
fn models_are_pure() {
    obeyed("model");
}

#[test]
fn logs_say_one_fixed_sentence() {
    obeyed("logs");
}

#[test]
fn crates_import_as_the_house_is_drawn() {
    let (members, arrows) = crates::read(&root()).expect("cargo knows the workspace");
    none(&crates::arrows_point_one_way(&arrows));
    none(&crates::folders_are_named_for_crates(&members));
}

#[test]
fn migrations_are_numbered_and_share_one_outbox() {
    let databases = migrations::read(&root()).expect("migrations can be read");
    none(&migrations::are_numbered(&databases));
    none(&migrations::have_one_outbox(&databases));
}

#[test]
fn who_calls_whom_is_what_the_file_says() {
    obeyed("calls");
}
