//! What a range is cut into.

use events::{Block, ChainEvent, Finality, Standard};
use ids::{Address, Hash32};

use super::*;
use crate::model::{Kind, Origin};

fn range(first: U256, last: U256) -> Result<Range, Unfit> {
    let moved = TokenMoved {
        token_id: TokenId::new(first),
        last_token_id: Some(TokenId::new(last)),
        from: Address::ZERO,
        to: Address::new([2; 20]),
        quantity: U256::ONE,
        operator: None,
    };
    let block = Block {
        number: 1,
        hash: Hash32::new([1; 32]),
        parent_hash: Hash32::new([0; 32]),
        time: chrono::DateTime::UNIX_EPOCH,
    };
    let chain_id = "eip155:1".parse().unwrap();
    let origin = Origin { chain_id, block, generation: 1, removed: false, fork_block: None };
    let event = ChainEvent {
        id: String::new(),
        contract: Address::new([3; 20]),
        standard: Some(Standard::Erc721),
        tx_hash: Hash32::new([4; 32]),
        tx_from: Address::new([5; 20]),
        log_index: 7,
        batch_index: 0,
        finality: Finality::Latest,
        fact: (),
    };
    Range::new(Entry::new(&origin, Kind::Minted, &event), &moved, TokenId::new(last))
}

#[test]
fn a_range_is_cut_into_pieces_that_leave_out_none_and_have_none_twice() {
    let range = range(U256::from(10), U256::from(2_509)).unwrap();
    let pieces: Vec<_> = range.pieces().collect();
    assert_eq!(
        pieces.iter().map(|(start, of)| (*start, of.len())).collect::<Vec<_>>(),
        [(0, 1000), (1000, 1000), (2000, 500)]
    );
    let entries: Vec<Entry> = pieces.into_iter().flat_map(|(_, entries)| entries).collect();
    for (nth, entry) in (0_u64..).zip(&entries) {
        let moved = entry.moved.as_ref().unwrap();
        assert_eq!(moved.token_id.number(), U256::from(10 + nth));
        assert_eq!((entry.mark.log_index, entry.mark.batch_index.unsigned_abs()), (7, nth));
    }
    let ids: std::collections::HashSet<_> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(ids.len(), 2_500);
}

#[test]
fn the_bounds_of_a_range_are_whole_numbers_of_any_size() {
    let most = U256::from(MOST_TOKENS);
    assert_eq!(range(U256::MAX, U256::MAX).unwrap().tokens, 1);
    assert_eq!(range(U256::MAX - most + U256::ONE, U256::MAX).unwrap().tokens, MOST_TOKENS);
    assert_eq!(range(U256::ONE, most + U256::ONE).unwrap_err(), Unfit::TooLong(most + U256::ONE));
    assert_eq!(range(U256::ZERO, U256::MAX).unwrap_err(), Unfit::TooLong(U256::MAX));
    assert_eq!(range(U256::ONE, U256::ZERO).unwrap_err(), Unfit::Backwards);
}
