//! The other stores: Redis keys, Mongo collections, buckets of the object store, and the broker's queues.
use std::collections::{BTreeMap, BTreeSet};

use events::topology::{KEYS, QUEUES, matches};
use proc_macro2::TokenTree;

use crate::{Tree, crate_of, page::Table, texts};

/// Shapes of keys in the sources that speak Redis, as they are written there.
pub fn redis(tree: &Tree) -> Table {
    let speaks = |source: &&house::Source| source.tokens.iter().any(|token| token.to_string() == "redis");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in tree.of_the_fleet().filter(speaks) {
        for shape in texts::all_of(source).filter_map(|text| key_shape(&text)) {
            found.entry(shape).or_default().insert(crate_of(source).to_owned());
        }
    }
    by_owner("redis", "key", found)
}

/// `siwe:nonce:{nonce}`: lower-case words between colons, with places to fill in.
fn key_shape(text: &str) -> Option<String> {
    let is_shape = |c: char| c.is_ascii_alphanumeric() || "{}:_-".contains(c);
    let opens = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '{');
    let (first, _) = text.split_once(':')?;
    let is_named = first.chars().any(|c| c.is_ascii_lowercase());
    (opens && is_named && !first.starts_with("{}") && text.chars().all(is_shape))
        .then(|| text.replace("{{", "{").replace("}}", "}"))
}

/// The collections that a source opens by name.
pub fn mongo(tree: &Tree) -> Table {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in tree.of_the_fleet() {
        for window in source.tokens.windows(3) {
            // A group is followed by what is in it.
            let [TokenTree::Ident(name), TokenTree::Group(_), literal] = window else { continue };
            if name == "collection"
                && let Some(text) = texts::text_of(literal)
            {
                found.entry(text).or_default().insert(crate_of(source).to_owned());
            }
        }
    }
    by_owner("mongo", "collection", found)
}

/// The buckets that the services' defaults name.
pub fn buckets(tree: &Tree) -> anyhow::Result<Table> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(tree.root.join("services"))?.filter_map(Result::ok) {
        let service = entry.file_name().to_string_lossy().into_owned();
        for line in tree.text(&format!("services/{service}/config.toml"))?.lines() {
            if let Some(name) = line.strip_prefix("bucket = ") {
                found.entry(name.trim().trim_matches('"').to_owned()).or_default().insert(service.clone());
            }
        }
    }
    Ok(by_owner("buckets", "bucket", found))
}

fn by_owner(name: &str, key: &'static str, found: BTreeMap<String, BTreeSet<String>>) -> Table {
    let rows = found
        .into_iter()
        .map(|(shape, owners)| vec![format!("`{shape}`"), owners.into_iter().collect::<Vec<_>>().join(" ")]);
    Table {
        name: name.to_owned(),
        columns: vec![key, "what it holds", "written and read by"],
        by_hand: Some(1),
        rows: rows.collect(),
    }
}

/// Every queue with the services that publish what it collects, and the one that reads it.
pub fn queues() -> Table {
    let rows = QUEUES.iter().map(|queue| {
        let heard = KEYS.iter().filter(|key| {
            let takes = |bound: &&events::topology::Binding| {
                bound.exchange == key.exchange && matches(bound.pattern, &key.example())
            };
            queue.bindings.iter().any(|bound| takes(&bound))
        });
        let publishers: BTreeSet<&str> = heard.map(|key| key.from).collect();
        vec![
            format!("`{}`", queue.name),
            publishers.into_iter().collect::<Vec<_>>().join(" "),
            queue.consumer.to_owned(),
            format!("{:?}", queue.mark).to_lowercase(),
        ]
    });
    Table {
        name: "queues".to_owned(),
        columns: vec!["queue", "published by", "read by", "mark of an effect"],
        by_hand: None,
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::key_shape;

    #[test]
    fn a_key_has_a_name_and_places() {
        assert_eq!(key_shape("siwe:nonce:{nonce}").as_deref(), Some("siwe:nonce:{nonce}"));
        assert_eq!(key_shape("{{subs}}:mark:{}").as_deref(), Some("{subs}:mark:{}"));
        assert_eq!(key_shape("{subs}:epoch").as_deref(), Some("{subs}:epoch"));
        for other in ["{}:{}", "redis_url is not a Redis URL", "no colon", "::", "a: sentence"] {
            assert_eq!(key_shape(other), None, "{other}");
        }
    }
}
