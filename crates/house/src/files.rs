//! What a file is called, how it opens, how long it may be.
use syn::{Ident, ItemEnum, ItemMod, ItemStruct, ItemTrait, ItemType, visit::Visit};

use crate::{Finding, Source};

const LONGEST: usize = 500;

/// Names that exclude nothing, so that everything ends up in them.
const DRAWERS: [&str; 18] = [
    "util",
    "utils",
    "common",
    "helper",
    "helpers",
    "misc",
    "manager",
    "managers",
    "processor",
    "base",
    "impl",
    "data",
    "info",
    "dto",
    "dtos",
    "entity",
    "entities",
    "shared",
];

/// The same at the end of a type's name, and the suffixes that say a pattern instead of a thing.
const SUFFIXES: [&str; 14] = [
    "Util",
    "Utils",
    "Helper",
    "Helpers",
    "Manager",
    "Processor",
    "Impl",
    "Data",
    "Info",
    "Dto",
    "DTO",
    "Entity",
    "Service",
    "Base",
];

/// Names that others have given: Relay calls it so, and clients look for it.
const GIVEN: [&str; 1] = ["PageInfo"];

/// A newcomer learns from the first line what the file is for.
pub fn opens_with_a_sentence(source: &Source) -> Vec<Finding> {
    let first = source.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//!").is_some_and(|said| said.trim().len() > 3);
    if says { Vec::new() } else { vec![source.finding(1, "a file opens with `//!` and a sentence")] }
}

/// Longer files hide a second one.
pub fn is_not_too_long(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if lines <= LONGEST {
        Vec::new()
    } else {
        vec![source.finding(LONGEST, format!("{lines} lines, split at {LONGEST}"))]
    }
}

/// Files, folders, modules and types are named for what they are or do.
pub fn is_no_drawer(source: &Source) -> Vec<Finding> {
    // The names of the wire are free, and with them the modules that tonic's code goes into.
    if source.path.starts_with("proto/") {
        return Vec::new();
    }
    let mut names = Names { source, found: Vec::new() };
    for part in source.path.trim_end_matches(".rs").split('/') {
        if DRAWERS.contains(&part) {
            names.found.push(source.finding(1, format!("`{part}` is a drawer: name it for what it does")));
        }
    }
    names.visit_file(&source.file);
    names.found
}

struct Names<'a> {
    source: &'a Source,
    found: Vec<Finding>,
}

impl Names<'_> {
    fn type_name(&mut self, name: &Ident) {
        let text = name.to_string();
        if GIVEN.contains(&text.as_str()) {
            return;
        }
        // `Service` alone may be a noun of the business; as a suffix it says nothing.
        if let Some(suffix) = SUFFIXES.iter().find(|suffix| text.ends_with(**suffix) && text != "Service") {
            let what = format!("type `{text}`: `{suffix}` says nothing, name the thing");
            self.found.push(self.source.finding(name.span().start().line, what));
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        if DRAWERS.contains(&name.as_str()) {
            let what = format!("module `{name}` is a drawer: name it for what it does");
            self.found.push(self.source.finding(item.ident.span().start().line, what));
        }
        syn::visit::visit_item_mod(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.type_name(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.type_name(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.type_name(&item.ident);
        syn::visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        self.type_name(&item.ident);
    }
}
