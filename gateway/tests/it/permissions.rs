//! `permissions.txt` says who may do what, for every way in: a field without a line, a line without a field, and a line
//! that contradicts the schema's `@auth` are found here. That the table holds is shown against the running fleet.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{ConstDirective, ServiceDocument, TypeKind, TypeSystemDefinition},
};

const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];
const CELLS: [&str; 4] = ["any", "own", "null", "no"];

/// One line: who may, in the order guest, user, creator, moderator, admin.
struct Line {
    cells: [String; 5],
    words: String,
}

fn table() -> BTreeMap<String, Line> {
    let mut lines = BTreeMap::new();
    for line in include_str!("../../permissions.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (columns, words) = line.split_once(" | ").unwrap_or_else(|| panic!("no words: {line}"));
        let columns: Vec<&str> = columns.split_whitespace().collect();
        let [field, cells @ ..] = columns.as_slice() else { panic!("no field: {line}") };
        let cells: [String; 5] =
            cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>().try_into().expect(line);
        let line = Line { cells, words: words.trim().to_owned() };
        assert!(lines.insert((*field).to_owned(), line).is_none(), "{field} has two lines");
    }
    lines
}

fn document() -> ServiceDocument {
    parse_schema(gateway::sdl()).expect("the printed schema parses")
}

/// The role that an `@auth` among these asks for.
fn required<'a>(directives: impl IntoIterator<Item = &'a ConstDirective>) -> Option<String> {
    let auth = directives.into_iter().find(|directive| directive.name.node == "auth")?;
    let role = auth.get_argument("requires").expect("the role is always printed");
    Some(role.node.to_string())
}

/// Every field of the schema's objects, with the role that it asks for and whether its object asks for one.
fn fields() -> BTreeMap<String, (Option<String>, Option<String>)> {
    let mut fields = BTreeMap::new();
    for definition in &document().definitions {
        let TypeSystemDefinition::Type(object) = definition else { continue };
        let TypeKind::Object(kind) = &object.node.kind else { continue };
        let of_object = required(object.node.directives.iter().map(|directive| &directive.node));
        for field in &kind.fields {
            let of_field = required(field.node.directives.iter().map(|directive| &directive.node));
            let name = format!("{}.{}", object.node.name.node, field.node.name.node);
            fields.insert(name, (of_field, of_object.clone()));
        }
    }
    fields
}

#[test]
fn every_field_that_is_a_way_in_or_is_guarded_has_a_line_and_every_line_a_field() {
    let fields = fields();
    let wanted: BTreeSet<&String> = fields
        .iter()
        .filter(|(name, (of_field, of_object))| {
            let is_root = ROOTS.contains(&name.split('.').next().unwrap_or_default());
            is_root || of_field.is_some() || of_object.is_some()
        })
        .map(|(name, _)| name)
        .collect();
    let table = table();
    let without: Vec<_> = wanted.iter().filter(|name| !table.contains_key(**name)).collect();
    assert!(without.is_empty(), "say in permissions.txt who may ask for {without:?}");
    let gone: Vec<_> = table.keys().filter(|name| !fields.contains_key(*name)).collect();
    assert!(gone.is_empty(), "permissions.txt speaks of fields that the schema does not have: {gone:?}");
}

#[test]
fn a_line_refuses_exactly_those_that_the_directive_refuses() {
    let fields = fields();
    for (name, line) in table() {
        let (of_field, of_object) = &fields[&name];
        let refused = line.cells.each_ref().map(|cell| cell == "no");
        let expected = match of_field.as_deref().or(of_object.as_deref()) {
            None => [false, false, false, false, false],
            Some("USER") => [true, false, false, false, false],
            Some("CREATOR") => [true, true, false, true, true],
            Some("MODERATOR") => [true, true, true, false, false],
            Some("ADMIN") => [true, true, true, true, false],
            Some(other) => panic!("{name} asks for a role that the table does not know: {other}"),
        };
        assert_eq!(refused, expected, "{name}: permissions.txt and @auth disagree");
    }
}

#[test]
fn the_table_is_plain_to_read() {
    for (name, line) in table() {
        assert!(!line.words.is_empty(), "{name} has no words");
        for cell in &line.cells {
            assert!(CELLS.contains(&cell.as_str()), "{name}: {cell} is none of {CELLS:?}");
        }
        // An admin may do what a moderator may, and both may do what a user may.
        let [_, user, _, moderator, admin] = &line.cells;
        let weight = |cell: &String| ["no", "null", "own", "any"].iter().position(|known| known == cell);
        assert!(weight(user) <= weight(moderator), "{name}: a moderator is a user");
        assert!(weight(moderator) <= weight(admin), "{name}: an admin is a moderator");
    }
}

#[test]
fn everything_that_changes_something_and_is_open_to_guests_is_about_signing_in() {
    let open: Vec<String> = fields()
        .into_iter()
        .filter(|(name, (of_field, _))| name.starts_with("Mutation.") && of_field.is_none())
        .map(|(name, _)| name.trim_start_matches("Mutation.").to_owned())
        .collect();
    assert_eq!(open, ["issueSiweNonce", "refreshSession", "signOut", "verifySiwe"]);
}
