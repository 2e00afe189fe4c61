//! The metrics that the sources register: name, kind, labels and help, as they are written there.
use std::collections::BTreeMap;

use house::Source;
use proc_macro2::TokenTree;

use crate::{Tree, crate_of, page::Table, texts::text_of};

#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: String,
    pub kind: String,
    pub labels: Vec<String>,
    pub help: String,
}

/// The table of `docs/telemetry.md`.
pub fn printed(tree: &Tree) -> Table {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in tree.of_the_fleet() {
        for Metric { name, kind, labels, help } in of(source) {
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
            rows.insert(
                name.clone(),
                vec![format!("`{name}`"), kind, labels, crate_of(source).to_owned(), help],
            );
        }
    }
    Table {
        name: "metrics".to_owned(),
        columns: vec!["metric", "kind", "labels", "in", "meaning"],
        by_hand: None,
        rows: rows.into_values().collect(),
    }
}

/// A registration is a group that begins with a name and a help: `("outbox_unsent", "Rows ..")`. Either may be said
/// by `let help = ".."` and `let labels = &[..]` before.
pub fn of(source: &Source) -> Vec<Metric> {
    let tokens = &source.tokens;
    if !tokens.iter().any(|token| token.to_string() == "prometheus") {
        return Vec::new();
    }
    let (mut help, mut labels) = (String::new(), Vec::new());
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.to_string() == "help" && is(tokens, at + 1, "=") {
            help = tokens.get(at + 2).and_then(text_of).unwrap_or_default();
        }
        if token.to_string() == "labels" && is(tokens, at + 1, "=") {
            labels = labels_at(&tokens[at + 2..]);
        }
        let Some(name) = opening(tokens, at) else { continue };
        let Some(kind) = kind_before(tokens, at) else { continue };
        let said = match tokens.get(at + 2) {
            Some(second) if second.to_string() == "help" => help.clone(),
            Some(second) => text_of(second).unwrap_or_default(),
            None => String::new(),
        };
        let listed = labels_at(&tokens[at + 1..]);
        let names_labels =
            tokens[at + 1..].iter().take_while(|t| t.to_string() != ";").any(|t| t.to_string() == "labels");
        let labels = if listed.is_empty() && names_labels { labels.clone() } else { listed };
        found.push(Metric { name, kind, labels, help: said });
    }
    found
}

/// A name in snake case that is the first thing in a call, with a second argument.
fn opening(tokens: &[TokenTree], at: usize) -> Option<String> {
    let name = text_of(tokens.get(at)?)?;
    let is_name =
        name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
    let opens = matches!(tokens.get(at.checked_sub(1)?), Some(TokenTree::Group(_)));
    (is_name && opens && is(tokens, at + 1, ",")).then_some(name)
}

fn kind_before(tokens: &[TokenTree], at: usize) -> Option<String> {
    tokens[at.saturating_sub(12)..at].iter().rev().find_map(|token| {
        let TokenTree::Ident(word) = token else { return None };
        let word = word.to_string().to_lowercase();
        ["counter", "gauge", "histogram"].into_iter().find(|kind| word.contains(kind)).map(str::to_owned)
    })
}

fn labels_at(tokens: &[TokenTree]) -> Vec<String> {
    let statement = tokens.iter().take_while(|token| token.to_string() != ";");
    let lists = statement.filter_map(|token| match token {
        TokenTree::Group(group) if group.to_string().starts_with('[') => {
            let texts: Vec<String> = group.stream().into_iter().filter_map(|token| text_of(&token)).collect();
            (!texts.is_empty()).then_some(texts)
        }
        _ => None,
    });
    lists.take(1).flatten().collect()
}

fn is(tokens: &[TokenTree], at: usize, text: &str) -> bool {
    tokens.get(at).is_some_and(|token| token.to_string() == text)
}

#[cfg(test)]
mod tests {
    use house::Source;

    use super::of;

    fn read(text: &str) -> Vec<(String, String, String, String)> {
        let source =
            Source::parse("services/wallet/src/metrics.rs", &format!("use prometheus::X; {text}")).unwrap();
        let told = of(&source).into_iter().map(|m| (m.name, m.kind, m.labels.join(" "), m.help));
        told.collect()
    }

    #[test]
    fn each_way_of_registering_is_understood() {
        let expected = |kind: &str, labels: &str| {
            vec![("a_total".to_owned(), kind.to_owned(), labels.to_owned(), "What it counts.".to_owned())]
        };
        let direct = r#"fn f() { register_int_counter_vec!("a_total", "What it counts.", &["chain"]); }"#;
        assert_eq!(read(direct), expected("counter", "chain"));
        let with_help = r#"fn f() { let help = "What it counts."; register_gauge!("a_total", help); }"#;
        assert_eq!(read(with_help), expected("gauge", ""));
        let with_labels =
            r#"fn f() { let labels = &["a", "b"]; histogram("a_total", "What it counts.", labels); }"#;
        assert_eq!(read(with_labels), expected("histogram", "a b"));
        let with_opts = r#"fn f() { let help = "What it counts.";
            let g = IntGaugeVec::new(Opts::new("a_total", help), &["state"])?; }"#;
        assert_eq!(read(with_opts), expected("gauge", "state"));
    }

    #[test]
    fn other_calls_are_no_metrics() {
        assert!(read(r#"fn f() { process.ready("a_total", "b"); }"#).is_empty());
    }
}
