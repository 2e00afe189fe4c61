//! What may stop a process, silence a lint, or read the environment.
use proc_macro2::TokenTree;
use syn::{Attribute, visit::Visit};

use crate::{Finding, Source, tree::is_call};

/// Who may read the environment: the one place that makes a configuration of it, the tools, and tests.
const READERS: [&str; 6] =
    ["crates/launch/", "crates/testkit/", "xtask/", "desk/", "bench/", "proto/build.rs"];

/// A panic in a service is an outage; `expect` at least says why it cannot happen.
pub fn does_not_unwrap(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let calls = tokens.windows(3).filter(|window| {
        let [dot, name, arguments] = window else { return false };
        let empty = matches!(arguments, TokenTree::Group(group) if group.stream().is_empty());
        dot.to_string() == "." && name.to_string() == "unwrap" && is_call(Some(arguments)) && empty
    });
    calls.map(|window| source.finding(window[1].span().start().line, "`unwrap()` outside of tests")).collect()
}

/// A lint is silenced with `expect` and a reason, so that it speaks up again when the reason is gone.
pub fn gives_reasons(source: &Source) -> Vec<Finding> {
    let mut lints = Lints { source, found: Vec::new() };
    lints.visit_file(&source.file);
    lints.found
}

struct Lints<'a> {
    source: &'a Source,
    found: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Lints<'_> {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let silences = attribute.path().is_ident("allow") || attribute.path().is_ident("expect");
        let reasoned = attribute
            .meta
            .require_list()
            .is_ok_and(|list| list.tokens.clone().into_iter().any(|token| token.to_string() == "reason"));
        if silences && !reasoned {
            let line = attribute.pound_token.spans[0].start().line;
            self.found.push(self.source.finding(line, "a silenced lint has a reason"));
        }
    }
}

/// Every other place takes what it needs from its configuration.
pub fn leaves_the_environment_alone(source: &Source) -> Vec<Finding> {
    if READERS.iter().any(|reader| source.path.starts_with(reader)) {
        return Vec::new();
    }
    let tokens = &source.tokens;
    let reads = tokens.windows(4).filter(|window| {
        let [module, colon, _, name] = window else { return false };
        let reads = ["var", "var_os", "vars", "vars_os", "set_var", "remove_var"];
        module.to_string() == "env" && colon.to_string() == ":" && reads.contains(&name.to_string().as_str())
    });
    reads
        .map(|w| {
            source
                .finding(w[0].span().start().line, "the environment is read in launch, into a configuration")
        })
        .collect()
}
