//! Documents say what was read, in the new form and in the old one.

use alloy_primitives::{B256, Bytes, U256};
use events::{Standard, collections::CollectionCreated, mints::TokenMoved};
use ids::{Hash32, TokenId};

use super::*;

fn block(role: Role, reading: impl FnOnce(&Log) -> Reading, topics: Vec<B256>, data: Vec<u8>) -> ReadBlock {
    let log = Log {
        address: Address::new([1; 20]),
        topics,
        data: Bytes::from(data),
        tx_hash: Hash32::new([3; 32]),
        log_index: 4,
    };
    let header = Header {
        number: 9,
        hash: Hash32::new([9; 32]),
        parent_hash: Hash32::new([8; 32]),
        time: batch::block_time(1_700_000_000).unwrap(),
        bloom: Default::default(),
    };
    let reading = reading(&log);
    ReadBlock { header, logs: vec![ReadLog { log, tx_from: Address::new([2; 20]), role, reading }] }
}

fn transfer() -> ReadBlock {
    let word = |n: u8| B256::left_padding_from(&[n]);
    let topics = vec![abi::topics::TRANSFER, word(0), word(5), word(6)];
    let role = Role::Collection(Standard::Erc721);
    block(role, |log| decode(log, role), topics, vec![])
}

fn stored(block: &ReadBlock) -> RawEvent {
    let event = raw_events(ChainId::new(1).unwrap(), block).next().unwrap();
    let bytes = bson::serialize_to_vec(&event).unwrap();
    bson::deserialize_from_slice(&bytes).unwrap()
}

#[test]
fn a_document_is_small_and_says_all_that_was_read() {
    let block = transfer();
    let event = stored(&block);
    assert_eq!((event.role(), event.facts()), (Some(block.logs[0].role), None));
    let again = read_again(&event, block.logs[0].role).unwrap();
    assert_eq!((&again.log, again.tx_from), (&block.logs[0].log, block.logs[0].tx_from));
    assert_eq!(again.reading, block.logs[0].reading);
    let size = bson::serialize_to_vec(&event).unwrap().len();
    assert!(size < 720, "{size} bytes");
}

#[test]
fn what_a_contract_was_asked_for_is_kept_with_its_log() {
    let topics = vec![
        abi::topics::ERC721_COLLECTION_CREATED,
        B256::left_padding_from(&[7; 20]),
        B256::left_padding_from(&[8; 20]),
    ];
    let asked = |log: &Log| match decode(log, Role::Factory) {
        Reading::Known { event, mut facts } => {
            let (_, Fact::Created { created, is_bare, .. }) = &mut facts[0] else {
                panic!("a collection was made")
            };
            assert!(*is_bare);
            *is_bare = false;
            *created = CollectionCreated { name: "Asked".into(), royalty_bps: 250, ..created.clone() };
            Reading::Known { event, facts }
        }
        other => panic!("{other:?}"),
    };
    let block = block(Role::Factory, asked, topics, vec![]);
    let event = stored(&block);
    assert!(event.facts().is_some());
    assert_eq!(read_again(&event, Role::Factory).unwrap().reading, block.logs[0].reading);
}

#[test]
fn a_document_of_the_old_form_is_read_too() {
    let block = transfer();
    let topics: Vec<Bson> =
        block.logs[0].log.topics.iter().map(|topic| Bson::String(topic.to_string())).collect();
    let data = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![] };
    let moved = TokenMoved {
        token_id: TokenId::new(U256::from(6)),
        last_token_id: None,
        from: Address::ZERO,
        to: Address::new([5; 20]),
        quantity: U256::ONE,
        operator: None,
    };
    let facts = vec![Kept { batch_index: 0, fact: Cow::Owned(Fact::Minted(moved)) }];
    let mut old = stored(&block);
    (old.standard, old.tx_from) = (None, None);
    old.event_data = bson::doc! {
        "topics": topics, "data": data, "facts": bson::serialize_to_bson(&facts).unwrap()
    }
    .into();
    let bytes = bson::serialize_to_vec(&old).unwrap();
    let old: RawEvent = bson::deserialize_from_slice(&bytes).unwrap();
    assert_eq!(old.role(), None);
    let again = read_again(&old, block.logs[0].role).unwrap();
    assert_eq!((&again.log, again.tx_from), (&block.logs[0].log, Address::ZERO));
    assert_eq!(again.reading, block.logs[0].reading);
}
