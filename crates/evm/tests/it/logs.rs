//! Endpoints that lie about logs, or cannot say all of them, each beside an honest one.

use alloy::{
    primitives::Bloom,
    rpc::types::{Filter, Log},
};
use evm::{BlockBloom, NodeError};
use serde_json::json;
use testkit::{Chain, Liar, Lie};

use crate::lies::{World, endpoint, node};

#[tokio::test]
async fn one_that_leaves_logs_out_is_found_out_by_the_blooms_and_taken_back() {
    let world = World::start().await;
    let filter = Filter::new().from_block(0).to_block(world.deployed.block);
    let all = world.truth.logs(&filter).await.unwrap();
    let mut blocks = Vec::new();
    for number in 0..=world.deployed.block {
        blocks.push(BlockBloom::from(&world.truth.header_by_number(number).await.unwrap().unwrap()));
    }
    world.liar.set(Lie::MissingLogs);
    assert_eq!(world.node.logs_of(&blocks).await.unwrap(), all);
    assert!(!all.is_empty() && world.is_left().await);
    world.liar.set(Lie::Honest);
    world.is_back().await;
    world.liar.set(Lie::MissingLogs);
    let block = blocks.iter().find(|block| Some(block.hash) == all[0].block_hash).copied().unwrap();
    let of_block = world.node.logs_of(&[block]).await.unwrap();
    assert_eq!(of_block.first(), all.first());
    assert!(world.is_left().await);
}

#[tokio::test]
async fn a_range_that_does_not_fit_is_asked_again_block_by_block_and_leaves_nobody() {
    let world = World::start().await;
    let all = world.truth.logs(&Filter::new().from_block(0).to_block(world.deployed.block)).await.unwrap();
    let mut blocks = Vec::new();
    for number in 0..=world.deployed.block {
        blocks.push(BlockBloom::from(&world.truth.header_by_number(number).await.unwrap().unwrap()));
    }
    world.liar.set(Lie::MissingInRanges);
    assert_eq!(world.node.logs_of(&blocks).await.unwrap(), all);
    assert!(!all.is_empty() && !world.is_left().await, "the chain may have moved: a range proves nothing");
}

impl World {
    /// The headers up to the factory's, and all their logs.
    async fn blocks(&self) -> (Vec<BlockBloom>, Vec<Log>) {
        let headers = self.truth.headers(0..=self.deployed.block).await.unwrap();
        let filter = Filter::new().from_block(0).to_block(self.deployed.block);
        (headers.iter().map(BlockBloom::from).collect(), self.truth.logs(&filter).await.unwrap())
    }
}

/// Logs several times in one block: a call of a contract that logs thrice the same.
async fn log_thrice(chain: &Chain) -> u64 {
    // PUSH1 0 PUSH1 0 LOG0, thrice.
    let receipt =
        chain.send(json!({ "data": "0x60006000a060006000a060006000a000", "gas": "0x100000" })).await;
    assert_eq!(receipt["logs"].as_array().map(Vec::len), Some(3));
    chain.head().await
}

#[tokio::test]
async fn one_whose_logs_are_not_the_blocks_is_left_and_the_next_ones_are_taken() {
    for lie in [
        Lie::MissingLogs,
        Lie::WrongHash,
        Lie::DuplicatedLogs,
        Lie::RemovedLogs,
        Lie::IndexHoles,
        Lie::InventsLogs,
    ] {
        let mut world = World::start().await;
        world.deployed.block = log_thrice(&world.chain).await;
        let (blocks, all) = world.blocks().await;
        world.liar.set(lie);
        let last = &blocks[blocks.len() - 1..];
        assert_eq!(world.node.logs_of(&blocks).await.unwrap(), all, "{lie:?}");
        assert_eq!(world.node.logs_of(last).await.unwrap(), all[all.len() - 3..], "{lie:?}");
        assert_eq!(world.node.health()[0].left, Some("lying"), "{lie:?}");
        let alone = node(vec![endpoint(&world.liar.url, 0)]);
        for blocks in [&blocks[..], last] {
            let refused = alone.logs_of(blocks).await;
            assert!(matches!(refused, Err(NodeError::Lie(_))), "{lie:?}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn logs_come_in_the_order_of_their_places_whatever_order_they_are_told_in() {
    let mut world = World::start().await;
    world.deployed.block = log_thrice(&world.chain).await;
    let (blocks, all) = world.blocks().await;
    world.liar.set(Lie::LogsBackwards);
    assert_eq!(world.node.logs_of(&blocks).await.unwrap(), all);
    assert_eq!(world.node.logs_of(&blocks[blocks.len() - 1..]).await.unwrap(), all[all.len() - 3..]);
    assert_eq!(world.honest.asked(), 0, "that is no lie");
}

#[tokio::test]
async fn one_that_truncates_ranges_again_and_again_is_left() {
    let world = World::start().await;
    let (blocks, all) = world.blocks().await;
    world.liar.set(Lie::TruncatesRanges);
    for _ in 0..3 {
        assert_eq!(world.node.logs_of(&blocks).await.unwrap(), all);
    }
    assert_eq!(world.node.health()[0].left, Some("lying"));
}

#[tokio::test]
async fn a_range_that_a_door_refuses_comes_back_and_one_block_of_it_is_asked_of_the_next() {
    let world = World::start().await;
    let (blocks, all) = world.blocks().await;
    world.liar.set(Lie::RangesOf(4));
    let refused = world.node.logs_of(&blocks).await.unwrap_err();
    assert!(matches!(refused, NodeError::Rpc { code: 413, .. }), "{refused:?}");
    let mut found = Vec::new();
    for four in blocks.chunks(4) {
        found.extend(world.node.logs_of(four).await.unwrap());
    }
    assert_eq!(found, all);
    assert_eq!(world.honest.asked(), 0, "whoever asks for less gets it");
    world.liar.set(Lie::TooWide);
    found.clear();
    for block in &blocks {
        found.extend(world.node.logs_of(std::slice::from_ref(block)).await.unwrap());
    }
    assert_eq!(found, all, "there is nothing less than a block");
    assert!(!world.is_left().await);
}

/// The same blocks on a chain that keeps no blooms.
fn silent(blocks: &[BlockBloom], bloom: Bloom) -> Vec<BlockBloom> {
    blocks.iter().map(|block| BlockBloom { bloom, ..*block }).collect()
}

#[tokio::test]
async fn where_the_bloom_says_nothing_a_second_endpoint_has_to_tell_the_same() {
    let world = World::start().await;
    let (blocks, all) = world.blocks().await;
    let third = Liar::before(&world.chain.url).await;
    for bloom in [Bloom::ZERO, Bloom::repeat_byte(0xff)] {
        for lie in [Lie::MissingLogs, Lie::InventsLogs] {
            let blocks = silent(&blocks, bloom);
            let of = |liars: &[&Liar]| {
                let endpoints = (0..).zip(liars).map(|(priority, liar)| endpoint(&liar.url, priority));
                node(endpoints.collect())
            };
            let two = of(&[&world.liar, &world.honest]);
            world.liar.set(Lie::Honest);
            assert_eq!(two.logs_of(&blocks).await.unwrap(), all, "{lie:?}");
            world.liar.set(lie);
            let refused = two.logs_of(&blocks).await;
            assert!(matches!(refused, Err(NodeError::Lie(_))), "{lie:?}: of two nobody knows which is wrong");

            let three = of(&[&world.honest, &world.liar, &third]);
            assert_eq!(three.logs_of(&blocks).await.unwrap(), all, "{lie:?}");
            assert_eq!(three.health()[1].left, Some("lying"), "{lie:?}: two say the same");

            // An empty bloom is believed to say that there are no logs until it is found to say so always.
            let three = of(&[&world.liar, &world.honest, &third]);
            if lie == Lie::InventsLogs || bloom != Bloom::ZERO {
                let refused = three.logs_of(&blocks).await;
                assert!(matches!(refused, Err(NodeError::Lie(_))), "{lie:?}: {refused:?}");
                assert_eq!(three.health()[0].left, Some("lying"), "{lie:?}");
                assert_eq!(three.logs_of(&blocks).await.unwrap(), all, "{lie:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_second_endpoint_that_does_not_know_the_block_or_does_not_answer_refutes_nobody() {
    let world = World::start().await;
    let (blocks, all) = world.blocks().await;
    let blocks = silent(&blocks, Bloom::repeat_byte(0xff));
    for lie in [Lie::ServerError, Lie::HalfOpen, Lie::Limited] {
        world.honest.set(lie);
        assert_eq!(world.node.logs_of(&blocks).await.unwrap(), all, "{lie:?}");
    }
    let other = testkit::chain().await;
    let empty = Liar::before(&other.url).await;
    let beside = node(vec![endpoint(&world.liar.url, 0), endpoint(&empty.url, 1)]);
    assert_eq!(beside.logs_of(&blocks).await.unwrap(), all);
    assert_eq!(node(vec![endpoint(&world.liar.url, 0)]).logs_of(&blocks).await.unwrap(), all, "nobody else");
}

#[tokio::test]
async fn logs_outside_the_bloom_are_taken_where_the_chain_has_such() {
    let world = World::start().await;
    let (mut blocks, all) = world.blocks().await;
    // As if the bloom had only a part of what the logs make.
    let block = blocks.iter_mut().rfind(|block| block.bloom != Bloom::ZERO).unwrap();
    let byte = block.bloom.iter().position(|byte| *byte != 0).unwrap();
    let of_byte = block.bloom[byte];
    block.bloom = Bloom::ZERO;
    block.bloom[byte] = of_byte;
    assert!(matches!(world.node.logs_of(&blocks).await, Err(NodeError::Lie(_))));
    let of_bridge = node(vec![endpoint(&world.honest.url, 0)]);
    of_bridge.set_logs_outside_bloom(true);
    assert_eq!(of_bridge.logs_of(&blocks).await.unwrap(), all);
}

#[tokio::test]
async fn a_range_that_is_too_large_comes_back_and_leaves_nobody() {
    let world = World::start().await;
    world.liar.set(Lie::TooWide);
    let refused = world.node.logs(&Filter::new().from_block(0).to_block(5)).await.unwrap_err();
    assert!(matches!(refused, NodeError::Rpc { code: -32005, .. }), "{refused:?}");
    assert!(!world.is_left().await);
    assert_eq!(world.honest.asked(), 0);
}

#[tokio::test]
async fn a_single_block_that_is_too_large_for_one_endpoint_is_asked_of_the_next() {
    let world = World::start().await;
    let all = world.truth.logs(&Filter::new().from_block(0).to_block(world.deployed.block)).await.unwrap();
    let number = all[0].block_number.unwrap();
    let block = world.truth.header_by_number(number).await.unwrap().unwrap();
    let expected = world.truth.logs(&Filter::new().at_block_hash(block.hash)).await.unwrap();
    world.liar.set(Lie::TooWide);
    assert_eq!(world.node.logs(&Filter::new().at_block_hash(block.hash)).await.unwrap(), expected);
    let one = Filter::new().from_block(block.number).to_block(block.number);
    assert_eq!(world.node.logs(&one).await.unwrap(), expected);
    assert!(!expected.is_empty() && !world.is_left().await);
}
