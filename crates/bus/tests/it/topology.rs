//! What stands on the broker is what the table and the hand-written document say.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use events::{
    exchange,
    topology::{KEYS, QUEUES, companions, route},
};
use serde_json::Value;

use crate::{channel, drain, ids, message, open};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn every_key_lands_in_exactly_the_queues_that_the_table_says() {
    // Nothing may leave a retry queue while this looks.
    let vhost = testkit::vhost_with(&[HOUR; 4]).await;
    let bus = open(&vhost);
    let mut sent = Vec::new();
    for key in &KEYS {
        sent.push((key.exchange, key.example()));
    }
    for queue in QUEUES {
        sent.extend(companions(queue).into_iter().map(|name| (exchange::DEAD_LETTERS, name)));
    }
    let messages: Vec<_> =
        sent.iter().map(|(exchange, key)| message(&format!("{exchange} {key}"), exchange, key)).collect();
    crate::publish(&bus, &messages).await;

    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (exchange, key) in &sent {
        for queue in route(exchange, key) {
            expected.entry(queue).or_default().insert(format!("{exchange} {key}"));
        }
    }
    let (_connection, channel) = channel(&vhost).await;
    let mut found = BTreeMap::new();
    for queue in QUEUES {
        for name in companions(queue).into_iter().chain([queue.name.to_owned()]) {
            let there = drain(&channel, &name).await;
            let distinct = ids(&there);
            assert_eq!(distinct.len(), there.len(), "{name} has something twice");
            found.insert(name, distinct);
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_broker_holds_what_the_document_says() {
    let vhost = testkit::vhost().await;
    // Declaring again changes nothing.
    bus::declare::topology(&vhost.secret(), &vhost.api).await.unwrap();

    let text = include_str!("../../../../docs/topology.json");
    let written: Value = serde_json::from_str(text).unwrap();
    let word = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();

    let exchanges = vhost.api.get(&["exchanges", &vhost.name]).await.unwrap();
    let standing = exchanges.as_array().unwrap().iter();
    let standing: BTreeSet<String> = standing
        .filter(|it| !word(it, "name").is_empty() && !word(it, "name").starts_with("amq."))
        .inspect(|it| {
            assert!(
                it["type"] == "topic" && it["durable"] == true && it["arguments"] == serde_json::json!({}),
                "{it}"
            )
        })
        .map(|it| word(it, "name"))
        .collect();
    let expected: BTreeSet<String> = written["exchanges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(standing, expected);

    let mut queues = BTreeSet::new();
    let mut bindings = BTreeSet::new();
    let steps = written["retryTtlMs"].as_array().unwrap().len();
    for queue in written["queues"].as_array().unwrap() {
        let name = word(queue, "name");
        for bound in queue["bindings"].as_array().unwrap() {
            bindings.insert((word(bound, "exchange"), word(bound, "key"), name.clone()));
        }
        for own in (1..=steps).map(|step| format!("{name}.retry.{step}")).chain([format!("{name}.dead")]) {
            bindings.insert(("dlx.events".to_owned(), own.clone(), own.clone()));
            queues.insert(own);
        }
        queues.insert(name);
    }
    let standing = vhost.api.get(&["bindings", &vhost.name]).await.unwrap();
    let standing: BTreeSet<_> = standing
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| !word(it, "source").is_empty())
        .map(|it| (word(it, "source"), word(it, "routing_key"), word(it, "destination")))
        .collect();
    assert_eq!(standing, bindings);

    let standing = vhost.api.get(&["queues", &vhost.name]).await.unwrap();
    let mut names = BTreeSet::new();
    for queue in standing.as_array().unwrap() {
        let (name, arguments) = (word(queue, "name"), &queue["arguments"]);
        assert!(queue["durable"] == true && arguments["x-queue-type"] == "quorum", "{queue}");
        assert!(arguments["x-delivery-limit"].as_i64().unwrap() >= 20, "{queue}");
        assert!(
            arguments.get("x-max-length").is_none() && arguments.get("x-message-ttl").is_none(),
            "{queue}"
        );
        if !name.ends_with(".dead") {
            let is_retry = name.contains(".retry.");
            let origin = name.split(".retry.").next().unwrap();
            let (to, key) =
                if is_retry { ("", origin.to_owned()) } else { ("dlx.events", format!("{name}.dead")) };
            assert_eq!(arguments["x-dead-letter-exchange"], to, "{name}");
            assert_eq!(arguments["x-dead-letter-routing-key"], key, "{name}");
            assert_eq!(arguments["x-dead-letter-strategy"], "at-least-once", "{name}");
            assert_eq!(arguments["x-overflow"], "reject-publish", "{name}");
        }
        names.insert(name);
    }
    assert_eq!(names, queues);

    let policies = vhost.api.get(&["policies", &vhost.name]).await.unwrap();
    for (at, wait) in written["retryTtlMs"].as_array().unwrap().iter().enumerate() {
        let name = format!("retry-{}", at + 1);
        let policy = policies.as_array().unwrap().iter().find(|it| it["name"] == name.as_str()).unwrap();
        assert_eq!(policy["definition"]["message-ttl"], *wait, "{name}");
    }
}

#[test]
fn the_definitions_file_names_the_same_things() {
    let definitions = bus::declare::definitions("/");
    let count = |what: &str| definitions[what].as_array().unwrap().len();
    assert_eq!(count("exchanges"), events::topology::EXCHANGES.len());
    assert_eq!(count("queues"), QUEUES.len() * 6);
    assert_eq!(
        count("bindings"),
        QUEUES.len() * 5 + QUEUES.iter().map(|queue| queue.bindings.len()).sum::<usize>()
    );
    assert_eq!(count("policies"), 4);
}
