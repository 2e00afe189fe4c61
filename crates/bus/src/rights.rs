//! The least rights of each service's broker user, from the table: publish what is its own, read its own queues.

use std::collections::{BTreeMap, BTreeSet};

use events::{
    exchange,
    topology::{KEYS, QUEUES, RETRY_STEPS},
};

/// What a user may do in a vhost, as the regular expressions that the broker takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// What it may declare and delete: nothing.
    pub configure: String,
    /// Exchanges that it may publish to.
    pub write: String,
    /// Queues that it may read.
    pub read: String,
    /// For each exchange the keys that it may publish there.
    pub topics: BTreeMap<&'static str, String>,
}

/// The rights of a service. One that neither publishes nor consumes gets none.
pub fn permissions(service: &str) -> Permissions {
    let queues: Vec<&str> =
        QUEUES.iter().filter(|queue| queue.consumer == service).map(|queue| queue.name).collect();
    let mut shapes: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for key in KEYS.iter().filter(|key| key.from == service) {
        shapes
            .entry(key.exchange)
            .or_default()
            .insert(key.shape.split('.').map(word).collect::<Vec<_>>().join(r"\."));
    }
    if !queues.is_empty() {
        let own = queues.iter().map(|name| escape(name)).collect::<Vec<_>>().join("|");
        let companions = format!(r"({own})\.(retry\.[1-{}]|dead)", RETRY_STEPS.len());
        shapes.insert(exchange::DEAD_LETTERS, BTreeSet::from([companions]));
    }
    Permissions {
        configure: any_of([].iter()),
        write: any_of(shapes.keys().map(|name| escape(name)).collect::<Vec<_>>().iter()),
        read: any_of(queues.iter().map(|name| escape(name)).collect::<Vec<_>>().iter()),
        topics: shapes.into_iter().map(|(exchange, keys)| (exchange, any_of(keys.iter()))).collect(),
    }
}

/// The services that have a user: those that publish or consume.
pub fn services() -> BTreeSet<&'static str> {
    KEYS.iter().map(|key| key.from).chain(QUEUES.iter().map(|queue| queue.consumer)).collect()
}

fn word(word: &str) -> String {
    if word.starts_with('{') { "[^.]+".to_owned() } else { escape(word) }
}

fn escape(name: &str) -> String {
    name.replace('.', r"\.")
}

fn any_of<'a>(alternatives: impl Iterator<Item = &'a String>) -> String {
    let all = alternatives.map(String::as_str).collect::<Vec<_>>().join("|");
    if all.is_empty() { "^$".to_owned() } else { format!("^({all})$") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_writes_and_reads_only_what_the_table_gives_it() {
        let wallet = permissions("wallet");
        assert_eq!(wallet.configure, "^$");
        assert_eq!(wallet.write, r"^(dlx\.events|wallets\.events)$");
        assert_eq!(
            wallet.read,
            r"^(wallet\.auth\.logged_in|wallet\.approvals\.changed|wallet\.tokens\.changed)$"
        );
        assert_eq!(wallet.topics["wallets.events"], r"^(wallet\.linked|wallet\.unlinked)$");
        assert_eq!(
            wallet.topics["dlx.events"],
            r"^((wallet\.auth\.logged_in|wallet\.approvals\.changed|wallet\.tokens\.changed)\.(retry\.[1-4]|dead))$"
        );
        let indexer = permissions("indexer");
        assert_eq!(indexer.read, "^$");
        assert_eq!(indexer.topics["wallets.events"], r"^(approval\.eip155\.[^.]+)$");
        assert!(!indexer.write.contains("dlx"));
        let nobody = permissions("gateway");
        assert_eq!((nobody.write.as_str(), nobody.read.as_str()), ("^$", "^$"));
        assert_eq!(services().len(), 8);
    }
}
