//! What a reader of the messages ends with.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, U256};
use serde_json::Value;

/// An event that stands.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) fact: Value,
}

/// Which of the messages about an event decides: the highest generation, and in it the one that takes back.
type Rank = (u64, bool);
/// Block, log, and the place in the log.
type Place = (u64, u64, u64);

/// The events that stand, in the order of the chain.
pub(super) fn standing(told: &[Value]) -> Vec<Event> {
    let mut decided: BTreeMap<&str, (Rank, Place, Event)> = BTreeMap::new();
    for message in told {
        let data = &message["data"];
        let rank = (data["generation"].as_u64().unwrap(), data["removed"].as_bool().unwrap());
        for fact in data["events"].as_array().unwrap() {
            let number = |value: &Value| value.as_u64().unwrap();
            let place =
                (number(&data["block"]["number"]), number(&fact["logIndex"]), number(&fact["batchIndex"]));
            let event = Event { kind: message["type"].as_str().unwrap().to_owned(), fact: fact.clone() };
            let known = decided.entry(fact["id"].as_str().unwrap()).or_insert((rank, place, event.clone()));
            if rank > known.0 {
                *known = (rank, place, event);
            }
        }
    }
    let mut standing: Vec<_> = decided.into_values().filter(|((_, removed), ..)| !removed).collect();
    standing.sort_by_key(|(_, place, _)| *place);
    standing.into_iter().map(|(.., event)| event).collect()
}

/// What a contract is, by its events alone.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) owners: BTreeMap<U256, Address>,
    /// How many of each token somebody has; an ERC-721 token is one.
    pub(super) balances: BTreeMap<(Address, U256), U256>,
    pub(super) ever: BTreeSet<U256>,
    pub(super) approved: BTreeMap<U256, Address>,
    pub(super) operators: BTreeMap<(Address, Address), bool>,
    pub(super) roles: BTreeMap<(B256, Address), bool>,
    pub(super) is_paused: bool,
    /// Elements that tell of more than one token.
    pub(super) ranges: usize,
}

impl Picture {
    pub(super) fn of(contract: Address, events: &[Event]) -> Picture {
        let mut picture = Picture::default();
        for event in events.iter().filter(|event| address(&event.fact["contract"]) == contract) {
            picture.add(event);
        }
        picture
    }

    pub(super) fn balance(&self, account: Address) -> U256 {
        let held = self.balances.iter().filter(|((owner, _), _)| *owner == account);
        held.fold(U256::ZERO, |sum, (_, quantity)| sum + quantity)
    }

    fn add(&mut self, Event { kind, fact }: &Event) {
        match kind.as_str() {
            "vitrine.mints.minted.v1" | "vitrine.mints.transferred.v1" | "vitrine.mints.burned.v1" => {
                self.moved(fact);
            }
            "vitrine.wallets.approval.v1" => {
                let (owner, operator) = (address(&fact["owner"]), address(&fact["operator"]));
                let is_approved = fact["isApproved"].as_bool().unwrap();
                match &fact["tokenId"] {
                    Value::Null => {
                        self.operators.insert((owner, operator), is_approved);
                    }
                    token => {
                        self.approved.insert(number(token), operator);
                    }
                }
            }
            "vitrine.collections.updated.v1" => match fact["change"].as_str().unwrap() {
                "paused" => self.is_paused = true,
                "unpaused" => self.is_paused = false,
                change @ ("roleGranted" | "roleRevoked") => {
                    let role = fact["role"].as_str().unwrap().parse().unwrap();
                    self.roles.insert((role, address(&fact["account"])), change == "roleGranted");
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn moved(&mut self, fact: &Value) {
        let (from, to) = (address(&fact["from"]), address(&fact["to"]));
        let (first, quantity) = (number(&fact["tokenId"]), number(&fact["quantity"]));
        let last = if fact["lastTokenId"].is_null() { first } else { number(&fact["lastTokenId"]) };
        self.ranges += usize::from(first != last);
        let mut id = first;
        while id <= last {
            self.ever.insert(id);
            self.approved.remove(&id);
            if !from.is_zero() {
                let left = self.balances.get_mut(&(from, id)).expect("nobody gives what they have not");
                *left -= quantity;
            }
            if !to.is_zero() {
                *self.balances.entry((to, id)).or_default() += quantity;
            }
            self.owners.insert(id, to);
            // The last of a range may be the last number there is.
            let Some(next) = id.checked_add(U256::ONE) else { break };
            id = next;
        }
    }
}

pub(super) fn address(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

pub(super) fn number(value: &Value) -> U256 {
    U256::from_str_radix(value.as_str().unwrap(), 10).unwrap()
}
