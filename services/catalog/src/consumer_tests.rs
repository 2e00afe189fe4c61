//! What is read of a message before anything of it is applied.

use amounts::U256;
use events::{Finality, Standard};
use ids::{Address, Hash32, TokenId};

use super::*;
use crate::apply_ranges::MOST_TOKENS;

/// A message with these elements: how many tokens each of them names, in logs of these places.
fn message(elements: &[(u32, u32)]) -> Envelope {
    let event = |&(log_index, tokens): &(u32, u32)| ChainEvent {
        id: String::new(),
        contract: Address::new([3; 20]),
        standard: Some(Standard::Erc721),
        tx_hash: Hash32::new([4; 32]),
        tx_from: Address::new([5; 20]),
        log_index,
        batch_index: 0,
        finality: Finality::Latest,
        fact: TokenMinted(TokenMoved {
            token_id: TokenId::new(U256::ZERO),
            last_token_id: (tokens > 1).then(|| TokenId::new(U256::from(tokens - 1))),
            from: Address::ZERO,
            to: Address::new([2; 20]),
            quantity: U256::ONE,
            operator: None,
        }),
    };
    let block = Block {
        number: 1,
        hash: Hash32::new([1; 32]),
        parent_hash: Hash32::new([0; 32]),
        time: chrono::DateTime::UNIX_EPOCH,
    };
    let batch = ChainBatch {
        chain_id: "eip155:1".parse().unwrap(),
        block,
        generation: 1,
        removed: false,
        fork_block: None,
        events: elements.iter().map(event).collect(),
    };
    events::mints::minted(&batch, 0).envelope
}

fn read(elements: &[(u32, u32)]) -> (usize, usize, Vec<(usize, &'static str)>) {
    let envelope = message(elements);
    let mut read = Elements::default();
    read.moves(&Batch::read(&envelope).unwrap(), Kind::Minted);
    (read.entries.len(), read.ranges.len(), read.dead.iter().map(|dead| (dead.index, dead.reason)).collect())
}

#[test]
fn of_a_message_so_many_tokens_are_taken_in_and_no_neighbour_of_very_long_ranges_suffers() {
    let mut elements: Vec<(u32, u32)> = (0..500).map(|log| (log, MOST_TOKENS)).collect();
    elements.extend([(500, 1), (501, 150), (502, 2)]);
    let (singles, ranges, dead) = read(&elements);
    assert_eq!(
        (singles, ranges, dead.len()),
        (1, 3, 499),
        "one of the long ones has room beside the short ones"
    );
    assert!(dead.iter().all(|dead| (1..500).contains(&dead.0) && dead.1 == "range_too_long"));
    // Whatever order they come in, the same ones are taken in.
    elements.reverse();
    let (_, _, backwards) = read(&elements);
    assert_eq!(backwards.len(), 499);
    assert!(backwards.iter().all(|dead| dead.0 != 502), "the first log of the chain is taken in");
}

#[test]
fn a_message_without_a_list_of_events_is_malformed() {
    for events in [serde_json::json!({}), Value::Null] {
        let mut envelope = message(&[]);
        envelope.data["events"] = events;
        assert!(Batch::read(&envelope).is_err());
    }
}
