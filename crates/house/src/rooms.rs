//! Inside a service the arrows point one way: main -> lib -> {grpc, consumer} -> verbs -> {model, store}.
use proc_macro2::TokenTree;

use crate::{Finding, Source};

const DOORS: [&str; 2] = ["grpc", "consumer"];
/// What a noun's rules are free of: waiting, stores, wires.
const NOT_IN_MODEL: [&str; 11] =
    ["async", "await", "sqlx", "tonic", "tokio", "redis", "mongodb", "lapin", "bus", "rpc", "proto"];

/// Only `lib` knows the doors; nothing that they call calls them back.
pub fn doors_are_not_called_back(source: &Source) -> Vec<Finding> {
    let Some(room) = source.room().filter(|_| source.service().is_some()) else { return Vec::new() };
    let top = room.split('/').next().unwrap_or(room);
    if room == "lib" || room == "main" || DOORS.contains(&top) {
        return Vec::new();
    }
    let named = rooms_named(source);
    let back = named.into_iter().filter(|(name, _)| DOORS.contains(&name.as_str()));
    back.map(|(name, line)| source.finding(line, format!("`{room}` may not know the door `{name}`")))
        .collect()
}

/// A rule that can be tested without `async` must be.
pub fn model_is_pure(source: &Source) -> Vec<Finding> {
    let is_model = source.room().is_some_and(|room| room == "model" || room.starts_with("model/"));
    if !is_model || source.service().is_none() {
        return Vec::new();
    }
    let tokens = &source.tokens;
    let mut found: Vec<Finding> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Ident(name) = token else { continue };
        let name = name.to_string();
        let line = token.span().start().line;
        let word = matches!(name.as_str(), "async" | "await");
        let next = tokens.get(at + 1).map(ToString::to_string);
        let is_colon = |back: usize| at.checked_sub(back).is_some_and(|i| tokens[i].to_string() == ":");
        // The first word of a path; one colon before it is the type of something.
        let is_crate = next.as_deref() == Some(":") && !(is_colon(1) && is_colon(2));
        // A derive on a noun or a decimal is a shape, not a query.
        let second = tokens.get(at + 3).map(ToString::to_string);
        let is_shape = name == "sqlx" && matches!(second.as_deref(), Some("Type" | "FromRow" | "types"));
        if NOT_IN_MODEL.contains(&name.as_str()) && (word || is_crate) && !is_shape {
            found.push(source.finding(line, format!("`{name}` in the model: rules are pure")));
        }
    }
    let named = rooms_named(source).into_iter().filter(|(name, _)| name == "store");
    found.extend(named.map(|(_, line)| source.finding(line, "the model does not know the store")));
    found
}

/// `crate::grpc`, `super::grpc` and `use crate::{grpc, ..}`: the first word after `crate`.
fn rooms_named(source: &Source) -> Vec<(String, usize)> {
    let tokens = &source.tokens;
    let mut named = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let starts = token.to_string();
        if starts != "crate" && starts != "super"
            || tokens.get(at + 1).map(ToString::to_string).as_deref() != Some(":")
        {
            continue;
        }
        match tokens.get(at + 3) {
            Some(TokenTree::Ident(name)) => named.push((name.to_string(), name.span().start().line)),
            Some(TokenTree::Group(group)) => {
                let mut fresh = true;
                for token in group.stream() {
                    match &token {
                        TokenTree::Ident(name) if fresh => {
                            named.push((name.to_string(), name.span().start().line))
                        }
                        _ => {}
                    }
                    fresh = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',');
                }
            }
            _ => {}
        }
    }
    named
}
