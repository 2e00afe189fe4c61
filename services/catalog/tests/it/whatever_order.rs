//! The promise: whatever the order, the duplicates and the retractions, the tables end equal to a walk over the
//! canonical chain.

use std::{collections::BTreeMap, time::Duration};

use events::{Envelope, Fact, collections::CollectionUpserted, mints::TokenUpserted};
use ids::Address;
use sqlx::PgPool;

use super::{
    fake::{at_the_head, chain},
    history::{Dice, history},
    naive::{read, walk},
};

const SEEDS: u64 = 24;
const CONSUMERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_order_of_any_history_ends_in_the_tables_of_a_walk_over_the_canonical_chain() {
    let db = testkit::database(&catalog::MIGRATOR).await;
    let mut published = 0;
    for seed in 1..=SEEDS {
        let (chain_id, mut dice) = (chain(seed), Dice::new(seed));
        let history = history(chain_id, &mut dice, 28);
        let mut messages = history.messages.clone();
        messages.extend(history.messages.iter().filter(|_| dice.one_in(3)).cloned());
        dice.shuffle(&mut messages);
        published += messages.len();
        all_at_once(&db.pool, messages).await;
        assert_eq!(read(&db.pool, chain_id).await, walk(&history.canonical), "seed {seed}");
    }
    assert!(published > 500, "the histories are too small to say anything: {published} messages");
    assert_eq!(catalog::audit(&db.pool).await.unwrap(), []);
    what_was_told_last_is_what_the_tables_say(&db.pool).await;
}

/// Four consumers share the messages and run side by side; each must apply all of its own at the first attempt.
async fn all_at_once(db: &PgPool, messages: Vec<Envelope>) {
    let mut consumers = tokio::task::JoinSet::new();
    for nth in 0..CONSUMERS {
        let (db, own) =
            (db.clone(), messages.iter().skip(nth).step_by(CONSUMERS).cloned().collect::<Vec<_>>());
        consumers.spawn(async move {
            for envelope in own {
                let applied = catalog::apply(&db, &envelope, at_the_head()).await.unwrap();
                assert!(applied.dead.is_empty());
            }
        });
    }
    tokio::time::timeout(Duration::from_secs(60), consumers.join_all())
        .await
        .expect("nobody waits in a circle");
}

/// A reader that keeps the highest revision of each entity ends with the same picture.
async fn what_was_told_last_is_what_the_tables_say(db: &PgPool) {
    let bodies: Vec<serde_json::Value> =
        sqlx::query_scalar("select body from outbox").fetch_all(db).await.unwrap();
    let mut tokens: BTreeMap<String, TokenUpserted> = BTreeMap::new();
    let mut collections: BTreeMap<String, CollectionUpserted> = BTreeMap::new();
    for body in bodies {
        let envelope: Envelope = serde_json::from_value(body).unwrap();
        if envelope.kind == TokenUpserted::TYPE {
            let fact: TokenUpserted = envelope.open().unwrap();
            let last = tokens.entry(fact.token.id.to_string()).or_insert_with(|| fact.clone());
            if fact.revision > last.revision {
                *last = fact;
            }
        } else {
            let fact: CollectionUpserted = envelope.open().unwrap();
            let last = collections.entry(fact.collection.id.to_string()).or_insert_with(|| fact.clone());
            if fact.revision > last.revision {
                *last = fact;
            }
        }
    }
    type Row = (String, Option<Address>, String, bool, bool, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "select id::text, owner_address, supply::text, burned, is_removed, revision from tokens",
    )
    .fetch_all(db)
    .await
    .unwrap();
    assert!(rows.len() > 50);
    for (id, owner, supply, burned, removed, revision) in rows {
        let told = &tokens[&id];
        let said =
            (told.token.owner, told.token.supply.clone(), told.token.is_burned, told.removed, told.revision);
        assert_eq!(said, (owner, supply, burned, removed, revision), "token {id}");
    }
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "select id::text, status, name, total_supply::text from collections where revision > 0",
    )
    .fetch_all(db)
    .await
    .unwrap();
    for (id, status, name, supply) in rows {
        // One that never was seen was never told of.
        let Some(told) = collections.get(&id) else {
            assert_ne!(status, "LIVE", "collection {id}");
            continue;
        };
        assert_eq!(told.removed, status != "LIVE", "collection {id}");
        if status == "LIVE" {
            assert_eq!(
                (&told.collection.name, &told.collection.total_supply),
                (&name, &supply),
                "collection {id}"
            );
        }
    }
}
