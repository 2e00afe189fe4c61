//! What a node may say of a block's logs, and what is not believed.

use alloy::primitives::{Bytes, LogData};

use super::*;

/// Nobody is asked.
fn node() -> Node {
    Node::new(ids::ChainId::new(1).unwrap(), Vec::new())
}

fn header(logs: &[NodeLog]) -> Header {
    let mut bloom = Bloom::ZERO;
    logs.iter().for_each(|log| bloom.accrue_raw_log(log.inner.address, log.inner.topics()));
    let (hash, parent_hash) = (BlockHash::new([9; 32]), BlockHash::new([8; 32]));
    Header { number: 9, hash, parent_hash, time: block_time(1).unwrap(), bloom }
}

fn log(index: u64) -> NodeLog {
    let data = LogData::new_unchecked(vec![B256::repeat_byte(index as u8)], Bytes::new());
    NodeLog {
        inner: alloy::primitives::Log { address: Addr::repeat_byte(1), data },
        block_hash: Some(B256::repeat_byte(9)),
        block_number: Some(9),
        block_timestamp: None,
        transaction_hash: Some(B256::repeat_byte(3)),
        transaction_index: Some(0),
        log_index: Some(index),
        removed: false,
    }
}

fn refused(header: &Header, logs: Vec<NodeLog>) -> &'static str {
    match check_logs(&node(), header, logs) {
        Err(Error::Inconsistent(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_logs_of_a_block_are_taken_in_their_order() {
    let logs = check_logs(&node(), &header(&[log(0), log(1)]), vec![log(1), log(0)]).unwrap();
    assert_eq!(logs.iter().map(|log| log.log_index).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_log_that_is_missing_or_made_up_shows_in_the_bloom() {
    let both = header(&[log(0), log(1)]);
    assert!(refused(&both, vec![log(0)]).contains("bloom"));
    assert!(refused(&both, vec![]).contains("bloom"));
    assert!(refused(&header(&[log(0)]), vec![log(0), log(1)]).contains("bloom"));
}

#[test]
fn a_log_of_another_block_or_taken_back_is_not_believed() {
    let header = header(&[log(0)]);
    for wrong in [
        NodeLog { block_hash: Some(B256::repeat_byte(7)), ..log(0) },
        NodeLog { block_hash: None, ..log(0) },
        NodeLog { removed: true, ..log(0) },
    ] {
        assert!(refused(&header, vec![wrong]).contains("another block"));
    }
    assert!(refused(&header, vec![log(0), log(0)]).contains("same place"));
    assert!(refused(&header, vec![NodeLog { log_index: None, ..log(0) }]).contains("no place"));
    assert!(refused(&header, vec![NodeLog { log_index: Some(u64::MAX), ..log(0) }]).contains("impossible"));
}

#[test]
fn a_chain_without_blooms_is_read_all_the_same() {
    for bloom in [Bloom::ZERO, Bloom::repeat_byte(0xff)] {
        assert_eq!(check_logs(&node(), &Header { bloom, ..header(&[]) }, vec![log(0)]).unwrap().len(), 1);
    }
}

#[test]
fn a_chain_that_adds_logs_outside_its_blooms_is_read_with_them_and_not_without_the_others() {
    let (node, header) = (node(), header(&[log(0)]));
    node.set_logs_outside_bloom(true);
    assert_eq!(check_logs(&node, &header, vec![log(0), log(1)]).unwrap().len(), 2);
    assert!(check_logs(&node, &header, vec![log(1)]).is_err(), "what the bloom has must be there");
    assert!(check_logs(&node, &header, vec![]).is_err());
}

fn followed(role: Role, from_block: u64) -> Followed {
    let address = Address::new([1; 20]);
    let contract = crate::model::Contract { address, role, from_block, created_in: None };
    Followed { contracts: [(address, contract)].into(), ..Followed::default() }
}

#[test]
fn a_contract_is_followed_from_its_first_block_on() {
    let logs = || check_logs(&node(), &header(&[log(0)]), vec![log(0)]).unwrap();
    let read = |from| choose(header(&[log(0)]), logs(), &mut followed(Role::Factory, from)).logs.len();
    assert_eq!((read(9), read(10)), (1, 0));
}

#[tokio::test]
async fn what_no_transaction_of_a_block_logged_the_chain_itself_did_where_it_does_so() {
    let chain = testkit::chain().await;
    let sent = chain.send(serde_json::json!({ "to": Addr::repeat_byte(1), "value": "0x1" })).await;
    let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
    let (tx_hash, from): (B256, Addr) =
        (text(&sent, "transactionHash").parse().unwrap(), text(&sent, "from").parse().unwrap());
    let chain_id = ids::ChainId::new(31337).unwrap();
    let node = Node::new(chain_id, vec![evm::Endpoint::parse(&chain.url, "none", 0, 1).unwrap()]);
    // The first block has no transactions at all.
    let first = headers(&node, 0, 0).await.unwrap().remove(0);
    let read = |tx_hash: B256| {
        let topics = check_logs(&self::node(), &header(&[log(0)]), vec![log(0)]).unwrap().remove(0);
        let log = Log { tx_hash: tx_hash.into(), ..topics };
        ReadLog { log, tx_from: Address::new([7; 20]), role: Role::Factory, reading: Reading::Unknown }
    };
    let mut blocks = [ReadBlock { header: first, logs: vec![read(tx_hash), read(B256::repeat_byte(5))] }];
    assert!(matches!(fill_senders(&node, &mut blocks).await, Err(Error::Inconsistent(_))));
    node.set_logs_outside_bloom(true);
    fill_senders(&node, &mut blocks).await.unwrap();
    let senders: Vec<Address> = blocks[0].logs.iter().map(|read| read.tx_from).collect();
    assert_eq!(senders, [from.into(), Address::ZERO], "whom its receipt names, or nobody");
}
