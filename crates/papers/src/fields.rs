//! The fields of log lines and spans, as the sources name them.
use std::collections::{BTreeMap, BTreeSet};

use house::Source;
use proc_macro2::{TokenStream, TokenTree};

use crate::{Tree, crate_of, page::Table};

const MACROS: [&str; 11] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
    "span",
];

/// The table of `docs/telemetry.md`.
pub fn printed(tree: &Tree) -> Table {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in tree.of_the_fleet() {
        for field in of(source) {
            found.entry(field).or_default().insert(crate_of(source).to_owned());
        }
    }
    let rows = found.into_iter();
    Table {
        name: "fields".to_owned(),
        columns: vec!["field", "meaning", "used in"],
        by_hand: Some(1),
        rows: rows
            .map(|(field, users)| vec![format!("`{field}`"), users.into_iter().collect::<Vec<_>>().join(" ")])
            .collect(),
    }
}

pub fn of(source: &Source) -> BTreeSet<String> {
    let macros = source.tokens.windows(3).filter_map(|window| match window {
        [TokenTree::Ident(name), TokenTree::Punct(bang), TokenTree::Group(arguments)]
            if bang.as_char() == '!' && MACROS.contains(&name.to_string().as_str()) =>
        {
            Some(arguments.stream())
        }
        _ => None,
    });
    macros.flat_map(fields_in).collect()
}

fn fields_in(arguments: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    let parts = tokens.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','));
    parts.filter_map(field).collect()
}

/// `a.b = value`, or the shorthand `a`, `%a`, `?a`.
fn field(part: &[TokenTree]) -> Option<String> {
    let equals = part.iter().position(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == '='));
    let named = match equals {
        Some(at) => &part[..at],
        None => match part {
            [TokenTree::Punct(sigil), rest @ ..] if matches!(sigil.as_char(), '%' | '?') => rest,
            other => other,
        },
    };
    let mut name = String::new();
    for token in named {
        match token {
            TokenTree::Ident(word) => name += word.to_string().trim_start_matches("r#"),
            TokenTree::Punct(dot) if dot.as_char() == '.' => name.push('.'),
            _ => return None,
        }
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use house::Source;

    use super::of;

    #[test]
    fn fields_are_found_in_each_of_their_forms() {
        let text = r#"fn f() {
            tracing::info!(target: "x", chain.id = %chain, from_block, error = ?err, "scanned range");
            let span = tracing::info_span!("call", request_id = tracing::field::Empty);
            warn!(%user_id, "gone");
            other!(nothing = 1);
        }"#;
        let source = Source::parse("services/wallet/src/f.rs", text).unwrap();
        let found: Vec<String> = of(&source).into_iter().collect();
        assert_eq!(found, ["chain.id", "error", "from_block", "request_id", "user_id"]);
    }
}
