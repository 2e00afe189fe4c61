//! The table of `docs/intents.md` says what the machine does: every fact in every state.

use super::*;
use crate::intent::Fact;

const DOCUMENT: &str = include_str!("../../../../docs/intents.md");

/// A state as the table tells them apart: CANCELLED is another thing before a transaction was sent than after.
fn columns(kind: Kind) -> Vec<(&'static str, Intent)> {
    let state = |status: Status| (status.as_str(), intent(kind, status));
    let mut columns: Vec<_> = match kind.is_signed() {
        true => {
            use Status::{Cancelled, Expired, Failed, Prepared, Ready, Submitted};
            [Prepared, Submitted, Ready, Failed, Cancelled, Expired].map(state).into()
        }
        false => Status::ALL.iter().copied().map(state).collect(),
    };
    if !kind.is_signed() {
        let sent = Intent { tx_hash: Some(TX), ..intent(kind, Status::Cancelled) };
        columns.insert(8, ("CANCELLED, sent", sent));
    }
    columns
}

fn facts(kind: Kind) -> Vec<(&'static str, Fact)> {
    let at = |number: u8, confirmations, end| {
        let block = (u64::from(number), Hash32::new([number; 32]));
        Fact::Included(Inclusion { tx_hash: TX, block, confirmations, end })
    };
    let unseen = |drop_after| Fact::Unseen { now: now(), drop_after };
    if kind.is_signed() {
        return vec![
            ("Signed", Fact::Signed),
            ("Stored", Fact::Stored(Uuid::from_u128(1))),
            ("Declined", Fact::Declined("it is another order".to_owned())),
            ("CancelAsked", Fact::CancelAsked),
            ("TimePassed", Fact::TimePassed),
        ];
    }
    vec![
        ("Named", Fact::Named(TX)),
        ("Waiting", Fact::Waiting(TX)),
        ("Visible", Fact::Visible(TX)),
        ("Included, shallow", at(8, 1, done())),
        ("Included, deep", at(8, 3, done())),
        ("Included and reverted, shallow", at(8, 1, reverted())),
        ("Included and reverted, deep", at(8, 3, reverted())),
        ("Gone", Fact::Gone),
        ("Unseen", unseen(TimeDelta::seconds(60))),
        ("Unseen for long", unseen(TimeDelta::zero())),
        ("Refused", Fact::Refused("it goes elsewhere".to_owned())),
        ("NonceTaken by a cancellation", Fact::NonceTaken(Taker::Cancelling)),
        ("NonceTaken by another call", Fact::NonceTaken(Taker::Other)),
        ("Catalogued", Fact::Catalogued(now())),
        ("Uncatalogued", Fact::Uncatalogued),
        ("CancelAsked", Fact::CancelAsked),
        ("TimePassed", Fact::TimePassed),
    ]
}

fn table(kind: Kind) -> String {
    let columns = columns(kind);
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut head = vec!["fact".to_owned()];
    head.extend(columns.iter().map(|(name, _)| (*name).to_owned()));
    let mut table = row(head.clone());
    table += &row(vec!["---".to_owned(); head.len()]);
    for (name, fact) in facts(kind) {
        let mut cells = vec![name.to_owned()];
        cells.extend(columns.iter().map(|(_, from)| {
            let mut to = from.clone();
            to.apply(&fact);
            if to.status == from.status { "·".to_owned() } else { to.status.as_str().to_owned() }
        }));
        table += &row(cells);
    }
    table
}

#[test]
fn the_document_says_what_the_machine_does() {
    for kind in [Kind::CreateCollection, Kind::List] {
        let table = table(kind);
        assert!(DOCUMENT.contains(&table), "docs/intents.md should have this table:\n\n{table}");
    }
}

#[test]
fn all_kinds_go_one_of_the_two_ways() {
    for kind in Kind::ALL {
        let like = if kind.is_signed() { Kind::List } else { Kind::CreateCollection };
        assert_eq!(table(*kind), table(like), "{kind:?}");
    }
}

#[test]
fn the_same_fact_twice_changes_nothing_the_second_time() {
    for kind in [Kind::CreateCollection, Kind::Buy, Kind::List] {
        for (name, fact) in facts(kind) {
            for (state, mut intent) in columns(kind) {
                intent.apply(&fact);
                let once = intent.clone();
                assert!(!intent.apply(&fact) && intent == once, "{name} in {state}");
            }
        }
    }
}

#[test]
fn a_fact_of_the_other_way_changes_nothing() {
    for (kind, other) in [(Kind::Mint721, Kind::List), (Kind::List, Kind::Mint721)] {
        let known: Vec<_> = facts(kind).into_iter().map(|(name, _)| name).collect();
        for (name, fact) in facts(other).into_iter().filter(|(name, _)| !known.contains(name)) {
            for (state, mut intent) in columns(kind) {
                assert!(!intent.apply(&fact), "{name} in {state} of {kind:?}");
            }
        }
    }
}
