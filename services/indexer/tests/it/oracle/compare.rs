//! What was told against what is true: pure, so that a broken input shows that the comparison sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// One event of one message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) generation: u64,
    pub(crate) removed: bool,
    pub(crate) block: Value,
    pub(crate) fact: Value,
}

/// Every event in the order in which it was told.
pub(crate) fn events(messages: &[Value]) -> Vec<Told> {
    let of = |message: &Value| -> Vec<Told> {
        let data = &message["data"];
        let events = data["events"].as_array().unwrap().iter().map(|event| {
            let mut fact = event.clone();
            let fields = fact.as_object_mut().unwrap();
            // How settled a block was depends on when it was read.
            fields.remove("finality");
            if fields.get("change").is_some_and(|change| change == "contractUriUpdated") {
                // A node may have forgotten the state of a block, and then nobody can say.
                fields.remove("uri");
            }
            let id = fact["id"].as_str().unwrap().to_owned();
            let kind = message["type"].as_str().unwrap().to_owned();
            let (generation, removed) =
                (data["generation"].as_u64().unwrap(), data["removed"].as_bool().unwrap());
            Told { id, kind, generation, removed, block: data["block"].clone(), fact }
        });
        events.collect()
    };
    messages.iter().flat_map(of).collect()
}

/// What a consumer ends with: of each id the highest (generation, removed) decides.
pub(crate) fn net(events: &[Told]) -> BTreeMap<String, &Told> {
    let mut last: BTreeMap<String, &Told> = BTreeMap::new();
    for event in events {
        let known = last.entry(event.id.clone()).or_insert(event);
        if (event.generation, event.removed) > (known.generation, known.removed) {
            *known = event;
        }
    }
    last.retain(|_, event| !event.removed);
    last
}

/// Everything but the generation, which counts what a clean scan has not seen.
pub(crate) fn said(net: &BTreeMap<String, &Told>) -> BTreeMap<String, String> {
    net.iter().map(|(id, told)| (id.clone(), format!("{} {} {}", told.kind, told.block, told.fact))).collect()
}

/// The same lines as the truth has, as far as the truth has them.
pub(crate) fn lines(net: &BTreeMap<String, &Told>) -> BTreeMap<String, String> {
    net.iter().map(|(id, told)| (id.clone(), line(told).to_lowercase())).collect()
}

fn line(told: &Told) -> String {
    let fact = &told.fact;
    let text = |name: &str| match &fact[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let texts = |names: &[&str]| names.iter().map(|name| text(name)).collect::<Vec<_>>().join(" ");
    let kind = told.kind.rsplit('.').nth(1).unwrap();
    match (kind, fact["change"].as_str()) {
        ("created", _) => {
            let supply = fact["maxSupply"].as_str().unwrap_or("0");
            let rest = ["contract", "standard", "creator", "salt", "name", "symbol", "contractUri"];
            format!("created {} {supply}", texts(&rest))
        }
        ("minted" | "transferred" | "burned", _) => {
            assert!(fact["lastTokenId"].is_null());
            format!("{kind} {}", texts(&["contract", "tokenId", "from", "to", "quantity"]))
        }
        ("approval", _) => {
            let token = fact["tokenId"].as_str().unwrap_or("*");
            format!("approval {} {token} {}", texts(&["contract", "owner", "operator"]), fact["isApproved"])
        }
        ("metadata", Some("uri")) => format!("metadata {}", texts(&["contract", "tokenId", "uri"])),
        ("metadata", _) => format!("metadata {}", texts(&["contract", "fromTokenId", "toTokenId"])),
        ("updated", Some(change)) => {
            let rest: &[&str] = match change {
                "ownershipTransferred" => &["from", "to"],
                "roleGranted" | "roleRevoked" => &["role", "account"],
                "stageUpdated" => &["stage", "price"],
                _ => &[],
            };
            format!("updated {} {change} {}", text("contract"), texts(rest)).trim_end().to_owned()
        }
        ("validated", _) => {
            format!("validated {}", texts(&["orderHash", "offerer", "startsAt", "endsAt", "salt"]))
        }
        ("fulfilled", _) => {
            let items = |name: &str| items(&fact[name]);
            let who = texts(&["orderHash", "offerer", "recipient"]);
            format!("fulfilled {who} [{}] [{}]", items("offer"), items("consideration"))
        }
        ("cancelled", _) => format!("cancelled {}", texts(&["orderHash", "offerer"])),
        ("counter", _) => format!("counter {}", texts(&["offerer", "newCounter"])),
        other => format!("{other:?} {fact}"),
    }
}

fn items(of: &Value) -> String {
    let item = |item: &Value| {
        let text = |name: &str| item[name].as_str().unwrap().to_owned();
        let to = item["recipient"].as_str().map(|to| format!(">{to}")).unwrap_or_default();
        format!("{}:{}:{}:{}{to}", item["itemType"], text("token"), text("identifier"), text("amount"))
    };
    of.as_array().unwrap().iter().map(item).collect::<Vec<_>>().join(",")
}

/// Where two accounts of the same chain differ.
pub(crate) fn differences(
    what: &str,
    ours: &BTreeMap<String, String>,
    theirs: &BTreeMap<String, String>,
) -> Vec<String> {
    let ids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    ids.into_iter()
        .filter(|id| ours.get(*id) != theirs.get(*id))
        .map(|id| format!("{what}: {id}: told {:?}, true {:?}", ours.get(id), theirs.get(id)))
        .collect()
}

/// What no consumer may ever see, whatever the chain did.
pub(crate) fn told_badly(messages: &[Value]) -> Vec<String> {
    let mut bad = Vec::new();
    let mut ids = BTreeSet::new();
    for message in messages {
        if !ids.insert(message["id"].as_str().unwrap()) {
            bad.push(format!("the message {} twice", message["id"]));
        }
    }
    let late = joined_late(messages);
    let mut is_late: BTreeSet<String> = BTreeSet::new();
    let mut seen: BTreeMap<String, Vec<(u64, bool)>> = BTreeMap::new();
    let mut first: BTreeMap<(String, u64), Told> = BTreeMap::new();
    for event in events(messages) {
        let mark = (event.generation, event.removed);
        if event.fact["contract"].as_str().is_some_and(|contract| late.contains(contract)) {
            is_late.insert(event.id.clone());
        }
        let known = seen.entry(event.id.clone()).or_default();
        if known.contains(&mark) {
            bad.push(format!("{} in {mark:?} twice", event.id));
        }
        if event.removed {
            match first.get(&(event.id.clone(), event.generation)) {
                None => {
                    bad.push(format!("{} taken back in {} before it was told", event.id, event.generation))
                }
                Some(was)
                    if (&was.fact, &was.block, &was.kind) != (&event.fact, &event.block, &event.kind) =>
                {
                    bad.push(format!("{} taken back in other words", event.id));
                }
                Some(_) => {}
            }
        } else {
            first.insert((event.id.clone(), event.generation), event.clone());
        }
        known.push(mark);
    }
    for (id, mut marks) in seen {
        marks.sort_unstable();
        // 1, 1 taken back, 2, 2 taken back, 3: nothing is left out on the way. The block of a contract that was
        // registered late may have come back before anybody asked for the contract's logs.
        let begins = if is_late.contains(&id) { marks[0].0 } else { 1 };
        let dense = (0..marks.len() as u64).map(|n| (n / 2 + begins, n % 2 == 1));
        if !marks.iter().copied().eq(dense) {
            bad.push(format!("{id} was told as {marks:?}"));
        }
    }
    bad
}

/// Contracts of which a job told something: parts of its messages are numbered from `job << 20` on.
fn joined_late(messages: &[Value]) -> BTreeSet<String> {
    let part = |message: &Value| message["id"].as_str()?.split('/').nth(3)?.parse::<u64>().ok();
    let of_jobs = messages.iter().filter(|message| part(message).is_some_and(|part| part >= 1 << 20));
    let events = of_jobs.flat_map(|message| message["data"]["events"].as_array().into_iter().flatten());
    events.filter_map(|event| event["contract"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(block: u64, generation: u64, removed: bool, tokens: &[u64]) -> Value {
        let event = |n: &u64| {
            json!({ "id": format!("eip155:1/{block}/t/{n}/0"), "contract": "0xC0", "tokenId": n.to_string(),
                "from": "0x0", "to": "0x7", "quantity": "1", "finality": "latest" })
        };
        let events: Vec<Value> = tokens.iter().map(event).collect();
        json!({
            "id": format!("eip155:1/{block}/minted/0/{generation}{}", if removed { "/removed" } else { "" }),
            "type": "vitrine.mints.minted.v1",
            "data": { "block": { "number": block }, "generation": generation, "removed": removed, "events": events },
        })
    }

    /// A block that stays, one that goes, and one that goes and comes back.
    fn story() -> Vec<Value> {
        vec![
            message(1, 1, false, &[1, 2]),
            message(2, 1, false, &[3]),
            message(2, 1, true, &[3]),
            message(3, 1, false, &[4]),
            message(3, 1, true, &[4]),
            message(3, 2, false, &[4]),
        ]
    }

    fn clean() -> Vec<Value> {
        vec![message(1, 1, false, &[1, 2]), message(3, 1, false, &[4])]
    }

    fn differ(ours: &[Value], theirs: &[Value]) -> Vec<String> {
        let (ours, theirs) = (events(ours), events(theirs));
        differences("clean", &said(&net(&ours)), &said(&net(&theirs)))
    }

    #[test]
    fn a_story_that_comes_to_the_same_is_the_same() {
        assert_eq!(differ(&story(), &clean()), Vec::<String>::new());
        assert_eq!(told_badly(&story()), Vec::<String>::new());
        let told = events(&story());
        assert_eq!(lines(&net(&told))["eip155:1/1/t/2/0"], "minted 0xc0 2 0x0 0x7 1");
    }

    #[test]
    fn every_message_that_is_left_out_is_seen() {
        for left_out in 0..story().len() {
            let mut told = story();
            told.remove(left_out);
            assert!(
                !differ(&told, &clean()).is_empty() || !told_badly(&told).is_empty(),
                "message {left_out} is missed by nobody"
            );
        }
    }

    #[test]
    fn every_event_that_is_left_out_changed_or_told_twice_is_seen() {
        let mut told = story();
        told[0]["data"]["events"].as_array_mut().unwrap().pop();
        assert_eq!(differ(&told, &clean()).len(), 1);
        let mut told = story();
        told[5]["data"]["events"][0]["quantity"] = json!("2");
        assert_eq!(differ(&told, &clean()).len(), 1);
        let mut told = story();
        let again = told[0]["data"]["events"][0].clone();
        told[0]["data"]["events"].as_array_mut().unwrap().push(again);
        assert!(!told_badly(&told).is_empty());
    }

    #[test]
    fn every_flipped_retraction_and_generation_is_seen() {
        for flipped in 0..story().len() {
            let mut told = story();
            let removed = told[flipped]["data"]["removed"].as_bool().unwrap();
            told[flipped]["data"]["removed"] = json!(!removed);
            assert!(!told_badly(&told).is_empty(), "message {flipped} can be flipped");
            let mut told = story();
            told[flipped]["data"]["generation"] = json!(7);
            assert!(!told_badly(&told).is_empty(), "message {flipped} can be of another generation");
        }
    }

    #[test]
    fn a_retraction_in_other_words_or_before_its_event_is_seen() {
        let mut told = story();
        told[2]["data"]["events"][0]["to"] = json!("0x8");
        assert_eq!(told_badly(&told).len(), 1);
        let mut told = story();
        told.swap(1, 2);
        assert_eq!(told_badly(&told).len(), 1);
    }
}
