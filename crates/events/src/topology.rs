//! Who listens to what: the one table of exchanges, keys, queues, bindings, publishers and consumers.
//!
//! Everything else about the broker follows from it: what the `topology` command declares, which rights a service
//! gets, `docs/flows.md`, and what a test finds on a real broker. `docs/topology.json` says the same by hand.

use std::time::Duration;

use crate::exchange;

/// A shape of routing key, and the one service that publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The topic exchange.
    pub exchange: &'static str,
    /// The key, with `{n}`, `{contract}` and the like where a word varies.
    pub shape: &'static str,
    /// The publishing service.
    pub from: &'static str,
}

/// What a queue is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The topic exchange.
    pub exchange: &'static str,
    /// The pattern: `*` is exactly one word, `#` any number of them.
    pub pattern: &'static str,
}

/// Where a consumer records that a message has had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The permanent row of a chain event. A replay of any age is safe.
    Ledger,
    /// A row or key that is swept after a while. A message older than that is refused.
    Inbox,
}

/// A queue; exactly one service consumes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Queue {
    /// `{consumer}.{what}.{happened}`.
    pub name: &'static str,
    /// The service that reads it.
    pub consumer: &'static str,
    /// How its consumer knows what it has seen.
    pub mark: Mark,
    /// What it collects.
    pub bindings: &'static [Binding],
}

impl Queue {
    /// The queue where a message waits before its next attempt; `step` counts from 1.
    pub fn retry(&self, step: usize) -> String {
        format!("{}.retry.{step}", self.name)
    }

    /// The queue of what did not succeed.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.name)
    }
}

/// How long a message waits before its second, third, fourth and fifth attempt. A policy sets it on the broker.
pub const RETRY_STEPS: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];

/// The exchanges: all topic, all durable.
pub const EXCHANGES: [&str; 12] = [
    exchange::AUTH,
    exchange::USERS,
    exchange::WALLETS,
    exchange::COLLECTIONS,
    exchange::MINTS,
    exchange::ORDERS,
    exchange::COLLECTIONS_DOMAIN,
    exchange::MINTS_DOMAIN,
    exchange::ORDERS_DOMAIN,
    exchange::INTENTS_DOMAIN,
    exchange::MEDIA_DOMAIN,
    exchange::DEAD_LETTERS,
];

const fn key(exchange: &'static str, shape: &'static str, from: &'static str) -> Key {
    Key { exchange, shape, from }
}

/// Every shape of key that is ever published, dead letters apart.
pub const KEYS: [Key; 24] = [
    key(exchange::AUTH, "user.logged_in", "auth"),
    key(exchange::AUTH, "session.revoked", "auth"),
    key(exchange::USERS, "user.status_changed", "user"),
    key(exchange::USERS, "user.roles_changed", "user"),
    key(exchange::WALLETS, "wallet.linked", "wallet"),
    key(exchange::WALLETS, "wallet.unlinked", "wallet"),
    key(exchange::WALLETS, "approval.eip155.{n}", "indexer"),
    key(exchange::COLLECTIONS, "created.eip155.{n}", "indexer"),
    key(exchange::COLLECTIONS, "updated.eip155.{n}", "indexer"),
    key(exchange::MINTS, "minted.eip155.{n}", "indexer"),
    key(exchange::MINTS, "transferred.eip155.{n}", "indexer"),
    key(exchange::MINTS, "burned.eip155.{n}", "indexer"),
    key(exchange::MINTS, "metadata.eip155.{n}", "indexer"),
    key(exchange::ORDERS, "validated.eip155.{n}", "indexer"),
    key(exchange::ORDERS, "fulfilled.eip155.{n}", "indexer"),
    key(exchange::ORDERS, "cancelled.eip155.{n}", "indexer"),
    key(exchange::ORDERS, "counter.eip155.{n}", "indexer"),
    key(exchange::ORDERS, "payment.eip155.{n}", "indexer"),
    key(exchange::COLLECTIONS_DOMAIN, "upserted.eip155.{n}.{contract}", "catalog"),
    key(exchange::MINTS_DOMAIN, "upserted.eip155.{n}.{contract}.{tokenId}", "catalog"),
    key(exchange::MINTS_DOMAIN, "upserted.eip155.{n}.{contract}.batch", "catalog"),
    key(exchange::ORDERS_DOMAIN, "upserted.eip155.{n}.{contract}.{orderHash}", "catalog"),
    key(exchange::INTENTS_DOMAIN, "upserted.{intentId}", "orchestrator"),
    key(exchange::MEDIA_DOMAIN, "upserted.{assetId}", "media"),
];

const fn on(exchange: &'static str, pattern: &'static str) -> Binding {
    Binding { exchange, pattern }
}

macro_rules! queues {
    ($( $(#[$doc:meta])* $ident:ident = $name:literal, $consumer:literal, $mark:ident, [$($binding:expr),+ $(,)?]; )+) => {
        $( $(#[$doc])* pub static $ident: Queue =
            Queue { name: $name, consumer: $consumer, mark: Mark::$mark, bindings: &[$($binding),+] }; )+

        /// Every queue that a service consumes; retries and dead letters follow from [`Queue::retry`] and [`Queue::dead`].
        pub static QUEUES: &[&Queue] = &[$(&$ident),+];
    };
}

queues! {
    /// Tells the user's sockets of a sign-in.
    SUBS_AUTH_LOGGED_IN = "subs.auth.logged_in", "subs-worker", Inbox, [on(exchange::AUTH, "user.logged_in")];
    /// Notes when a user was last seen.
    USER_AUTH_LOGGED_IN = "user.auth.logged_in", "user", Inbox, [on(exchange::AUTH, "user.logged_in")];
    /// Notes that an account was proven.
    WALLET_AUTH_LOGGED_IN = "wallet.auth.logged_in", "wallet", Inbox, [on(exchange::AUTH, "user.logged_in")];
    /// Ends sockets of sessions that are over.
    SUBS_SESSIONS_REVOKED = "subs.sessions.revoked", "subs-worker", Inbox, [on(exchange::AUTH, "session.revoked")];
    /// Keeps auth's copy of status and roles.
    AUTH_USERS_CHANGED = "auth.users.changed", "auth", Inbox, [on(exchange::USERS, "user.*")];
    /// Tells the user's sockets of a linked wallet.
    SUBS_WALLETS_LINKED = "subs.wallets.linked", "subs-worker", Inbox, [on(exchange::WALLETS, "wallet.linked")];
    /// Tells the user's sockets of an unlinked wallet.
    SUBS_WALLETS_UNLINKED = "subs.wallets.unlinked", "subs-worker", Inbox, [on(exchange::WALLETS, "wallet.unlinked")];
    /// Keeps auth's copy of which account is whose.
    AUTH_WALLETS_CHANGED = "auth.wallets.changed", "auth", Inbox, [on(exchange::WALLETS, "wallet.*")];
    /// Keeps user's copy of which address is whose.
    USER_WALLETS_CHANGED = "user.wallets.changed", "user", Inbox, [on(exchange::WALLETS, "wallet.*")];
    /// Keeps the approvals that a wallet's page shows.
    WALLET_APPROVALS_CHANGED = "wallet.approvals.changed", "wallet", Ledger, [on(exchange::WALLETS, "approval.eip155.*")];
    /// Takes away a token's approval with the token: a transfer clears it, and few contracts say so.
    WALLET_TOKENS_CHANGED = "wallet.tokens.changed", "wallet", Ledger, [
        on(exchange::MINTS, "transferred.eip155.*"),
        on(exchange::MINTS, "burned.eip155.*"),
    ];
    /// Keeps the approvals that an order's validity hangs on.
    CATALOG_APPROVALS_CHANGED = "catalog.approvals.changed", "catalog", Ledger,
        [on(exchange::WALLETS, "approval.eip155.*")];
    /// Applies new collections.
    CATALOG_COLLECTIONS_CREATED = "catalog.collections.created", "catalog", Ledger,
        [on(exchange::COLLECTIONS, "created.eip155.*")];
    /// Applies changes of collections.
    CATALOG_COLLECTIONS_UPDATED = "catalog.collections.updated", "catalog", Ledger,
        [on(exchange::COLLECTIONS, "updated.eip155.*")];
    /// Applies mints.
    CATALOG_MINTS_CREATED = "catalog.mints.created", "catalog", Ledger, [on(exchange::MINTS, "minted.eip155.*")];
    /// Applies what happens to tokens later.
    CATALOG_TOKENS_CHANGED = "catalog.tokens.changed", "catalog", Ledger, [
        on(exchange::MINTS, "transferred.eip155.*"),
        on(exchange::MINTS, "burned.eip155.*"),
        on(exchange::MINTS, "metadata.eip155.*"),
    ];
    /// Applies what the chain says about orders.
    CATALOG_ORDERS_CHANGED = "catalog.orders.changed", "catalog", Ledger, [on(exchange::ORDERS, "#")];
    /// Resolves intents and tells sockets of collections. The document's `upserted.*` would match none of its own keys.
    SUBS_COLLECTIONS_UPSERTED = "subs.collections.upserted", "subs-worker", Inbox,
        [on(exchange::COLLECTIONS_DOMAIN, "upserted.#")];
    /// Resolves intents and tells sockets of tokens.
    SUBS_MINTS_UPSERTED = "subs.mints.upserted", "subs-worker", Inbox, [on(exchange::MINTS_DOMAIN, "upserted.#")];
    /// Tells sockets of orders.
    SUBS_ORDERS_UPSERTED = "subs.orders.upserted", "subs-worker", Inbox, [on(exchange::ORDERS_DOMAIN, "upserted.#")];
    /// Marks users whose figures may have changed.
    USER_STATS_CHANGED = "user.stats.changed", "user", Inbox, [
        on(exchange::COLLECTIONS_DOMAIN, "upserted.#"),
        on(exchange::MINTS_DOMAIN, "upserted.#"),
        on(exchange::ORDERS_DOMAIN, "upserted.#"),
    ];
    /// Tells sockets how an intent stands.
    SUBS_INTENTS_UPSERTED = "subs.intents.upserted", "subs-worker", Inbox, [on(exchange::INTENTS_DOMAIN, "upserted.*")];
    /// Tells sockets how an asset stands.
    SUBS_MEDIA_UPSERTED = "subs.media.upserted", "subs-worker", Inbox, [on(exchange::MEDIA_DOMAIN, "upserted.*")];
}

/// The queue of that name, if the table has it.
pub fn find(name: &str) -> Option<&'static Queue> {
    QUEUES.iter().copied().find(|queue| queue.name == name)
}

/// Whether a topic pattern takes a key, by the broker's rules.
pub fn matches(pattern: &str, key: &str) -> bool {
    fn walk(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.first(), key.first()) {
            (None, None) => true,
            (Some(&"#"), _) => walk(&pattern[1..], key) || (!key.is_empty() && walk(pattern, &key[1..])),
            (Some(&"*"), Some(_)) => walk(&pattern[1..], &key[1..]),
            (Some(word), Some(other)) if word == other => walk(&pattern[1..], &key[1..]),
            _ => false,
        }
    }
    walk(&pattern.split('.').collect::<Vec<_>>(), &key.split('.').collect::<Vec<_>>())
}

/// The queues in which a message lands, in order of name.
pub fn route(exchange: &str, key: &str) -> Vec<String> {
    let mut names: Vec<String> = if exchange == exchange::DEAD_LETTERS {
        QUEUES.iter().flat_map(|queue| companions(queue)).filter(|name| name == key).collect()
    } else {
        let takes = |queue: &&&Queue| {
            queue.bindings.iter().any(|bound| bound.exchange == exchange && matches(bound.pattern, key))
        };
        QUEUES.iter().filter(takes).map(|queue| queue.name.to_owned()).collect()
    };
    names.sort();
    names
}

/// The retry queues and the dead queue that belong to a queue.
pub fn companions(queue: &Queue) -> Vec<String> {
    (1..=RETRY_STEPS.len()).map(|step| queue.retry(step)).chain([queue.dead()]).collect()
}

/// What `docs/flows.md` says: for each key, from whom and to whom.
pub fn flows() -> String {
    let mut page = String::from(
        "# Flows\n\nPrinted from `crates/events/src/topology.rs` by its test (`UPDATE=1` writes it anew). \
         Each queue has one consumer,\nfour retry queues (`{queue}.retry.1` to `.4`) and a dead queue \
         (`{queue}.dead`) behind `dlx.events`.\n\n| exchange | key | from | queues | to |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in &KEYS {
        let takers: Vec<&Queue> =
            route(key.exchange, &key.example()).iter().filter_map(|name| find(name)).collect();
        let names = takers.iter().map(|queue| queue.name).collect::<Vec<_>>().join("<br>");
        let consumers = takers.iter().map(|queue| queue.consumer).collect::<Vec<_>>().join("<br>");
        page += &format!("| {} | {} | {} | {names} | {consumers} |\n", key.exchange, key.shape, key.from);
    }
    page += "\n| retry step | waits |\n| --- | --- |\n";
    for (at, wait) in RETRY_STEPS.iter().enumerate() {
        page += &format!("| {} | {} s |\n", at + 1, wait.as_secs());
    }
    page
}

impl Key {
    /// A key of this shape.
    pub fn example(&self) -> String {
        self.shape
            .replace("{n}", "31337")
            .replace("{contract}", "0x5fbdb2315678afecb367f032d93f642f64180aa3")
            .replace(
                "{tokenId}",
                "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            )
            .replace("{orderHash}", "0x9b2055d370f73ec7d8a03e965129118dc8f5bf83e5cfc1dd1c0d5d1e3c0d1b2a")
            .replace("{intentId}", "0197f0c6-1c1b-7b5e-9a51-3d1f0a7b6c01")
            .replace("{assetId}", "0197f0c6-1c1b-7b5e-9a51-3d1f0a7b6c02")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_star_is_one_word_and_a_hash_is_any_number() {
        for (pattern, key, expected) in [
            ("upserted.*", "upserted.eip155.1.0xabc", false),
            ("upserted.#", "upserted.eip155.1.0xabc.42", true),
            ("upserted.#", "upserted", true),
            ("upserted.*", "upserted", false),
            ("upserted.*", "upserted.0197", true),
            ("wallet.*", "approval.eip155.1", false),
            ("#", "", true),
            ("#", "validated.eip155.1", true),
            ("*", "a.b", false),
            ("#.b", "a.a.b", true),
            ("#.b", "a.b.a", false),
            ("a.#.b", "a.b", true),
            ("a.*.b", "a.b", false),
            ("user.logged_in", "user_logged_in", false),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} against {key}");
        }
    }

    #[test]
    fn every_published_key_has_a_listener_and_no_two_shapes_are_the_same() {
        for key in &KEYS {
            assert!(!route(key.exchange, &key.example()).is_empty(), "nobody hears {key:?}");
            assert!(EXCHANGES.contains(&key.exchange), "{key:?}");
            assert!(key.example().len() <= 255 && !key.example().contains('{'), "{key:?}");
            assert_eq!(KEYS.iter().filter(|other| *other == key).count(), 1, "{key:?}");
        }
    }

    #[test]
    fn every_binding_takes_a_key_that_somebody_publishes() {
        for queue in QUEUES {
            assert_eq!(QUEUES.iter().filter(|other| other.name == queue.name).count(), 1, "{}", queue.name);
            for bound in queue.bindings {
                let heard =
                    |key: &&Key| key.exchange == bound.exchange && matches(bound.pattern, &key.example());
                let heard: Vec<&Key> = KEYS.iter().filter(heard).collect();
                assert!(!heard.is_empty(), "{} waits for nothing at {bound:?}", queue.name);
                // What the indexer tells has a permanent ledger row, what others tell has not.
                let is_chain = heard.iter().all(|key| key.from == "indexer");
                assert_eq!(is_chain, queue.mark == Mark::Ledger, "{}", queue.name);
            }
        }
    }

    #[test]
    fn a_dead_letter_key_is_one_queues_own() {
        assert_eq!(
            route(exchange::DEAD_LETTERS, "catalog.mints.created.retry.3"),
            ["catalog.mints.created.retry.3"]
        );
        assert_eq!(
            route(exchange::DEAD_LETTERS, "catalog.mints.created.dead"),
            ["catalog.mints.created.dead"]
        );
        assert!(route(exchange::DEAD_LETTERS, "catalog.mints.created").is_empty());
    }

    fn docs(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
    }

    #[test]
    fn the_table_says_what_the_hand_written_document_says() {
        let queue = |queue: &&Queue| {
            let bound = |b: &Binding| json!({ "exchange": b.exchange, "key": b.pattern });
            let mark = if queue.mark == Mark::Ledger { "ledger" } else { "inbox" };
            let bindings: Vec<Value> = queue.bindings.iter().map(bound).collect();
            json!({ "name": queue.name, "consumer": queue.consumer, "mark": mark, "bindings": bindings })
        };
        let table = json!({
            "exchanges": EXCHANGES,
            "keys": KEYS.iter().map(|k| json!({ "exchange": k.exchange, "key": k.shape, "from": k.from })).collect::<Vec<_>>(),
            "queues": QUEUES.iter().map(queue).collect::<Vec<_>>(),
            "retryTtlMs": RETRY_STEPS.iter().map(|step| step.as_millis() as u64).collect::<Vec<_>>(),
        });
        let text =
            std::fs::read_to_string(docs("topology.json")).expect("docs/topology.json is in the repository");
        let written: Value = serde_json::from_str(&text).expect("docs/topology.json is JSON");
        for part in ["exchanges", "keys", "queues", "retryTtlMs"] {
            let sorted = |value: &Value| {
                let mut rows: Vec<String> =
                    value[part].as_array().expect(part).iter().map(ToString::to_string).collect();
                if part != "retryTtlMs" {
                    rows.sort();
                }
                rows
            };
            assert_eq!(sorted(&table), sorted(&written), "{part}");
        }
    }

    #[test]
    fn the_flows_page_is_the_tables() {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(docs("flows.md"), flows()).expect("docs/ is writable");
        }
        let page = std::fs::read_to_string(docs("flows.md")).unwrap_or_default();
        assert_eq!(page, flows(), "run the test again with UPDATE=1");
    }
}
