//! The same question about many blocks, put together in batches, of endpoints that take none, or that answer as they like.

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use evm::{Endpoint, Header, Limits, Node, NodeError};
use ids::ChainId;
use testkit::{Chain, Liar, Lie};

const LIMITS: Limits =
    Limits { endpoint: Duration::from_secs(4), call: Duration::from_secs(10), answer_bytes: 8 << 20 };

fn node(endpoints: &[&Liar]) -> Node {
    let parse = |(priority, liar): (i32, &&Liar)| Endpoint::parse(&liar.url, "url", priority, 1).unwrap();
    let endpoints = (0..).zip(endpoints).map(parse).collect();
    Node::new(ChainId::new(31337).unwrap(), endpoints).with_limits(LIMITS)
}

/// 126 blocks, the newest of which have transactions, and an endpoint.
async fn start() -> (Chain, Liar, Node) {
    let chain = testkit::chain().await;
    chain.mine(123).await;
    chain.deploy_factory().await;
    let liar = Liar::before(&chain.url).await;
    let node = node(&[&liar]);
    (chain, liar, node)
}

async fn one_by_one(node: &Node, heights: std::ops::RangeInclusive<u64>) -> Vec<Header> {
    let mut headers = Vec::new();
    for height in heights {
        headers.push(node.header_by_number(height).await.unwrap().unwrap());
    }
    headers
}

#[tokio::test]
async fn headers_come_in_batches_and_are_those_that_come_one_by_one() {
    let (_chain, liar, node) = start().await;
    let expected = one_by_one(&node, 0..=126).await;
    let before = liar.asked();
    assert_eq!(node.headers(0..=126).await.unwrap(), expected);
    assert!(liar.asked() - before <= 3, "two batches, and perhaps the chain's number");
    assert_eq!(node.headers(120..=200).await.unwrap(), expected[120..], "it ends with the chain");
    assert_eq!(node.headers(200..=210).await.unwrap(), []);
    assert_eq!(node.headers(7..=7).await.unwrap(), expected[7..=7]);
}

#[tokio::test]
async fn whatever_an_endpoint_makes_of_batches_the_answers_are_the_same() {
    let (_chain, liar, node) = start().await;
    let expected = one_by_one(&node, 0..=126).await;
    for lie in [Lie::ShuffledBatches, Lie::PartOfBatches, Lie::BatchesOf(20), Lie::NoBatches] {
        liar.set(lie);
        assert_eq!(node.headers(0..=126).await.unwrap(), expected, "{lie:?}");
        assert!(node.health()[0].left.is_none(), "{lie:?}: that is no failure");
    }
    // It is not tried again at once.
    liar.set(Lie::Honest);
    let before = liar.asked();
    assert_eq!(node.headers(0..=126).await.unwrap(), expected);
    assert!(liar.asked() - before >= 127);
}

#[tokio::test]
async fn batches_that_lie_are_refused_and_their_endpoint_is_left() {
    for lie in [Lie::MixedBatches, Lie::WrongBlock] {
        let (chain, liar, alone) = start().await;
        let honest = Liar::before(&chain.url).await;
        let both = self::node(&[&liar, &honest]);
        let expected = one_by_one(&both, 0..=126).await;
        liar.set(lie);
        assert!(matches!(alone.headers(0..=126).await, Err(NodeError::Lie(_))), "{lie:?}");
        assert_eq!(both.headers(0..=126).await.unwrap(), expected, "{lie:?}");
        let health = both.health();
        assert_eq!((health[0].left, health[1].left), (Some("lying"), None), "{lie:?}");
        assert!(health[0].failures > 0 && health[1].answers > 0 && health[0].back_in.is_some());
        assert!(!format!("{health:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_a_batch_is_left_for_the_next_one() {
    let (chain, liar, _) = start().await;
    let honest = Liar::before(&chain.url).await;
    let node = self::node(&[&liar, &honest]);
    let expected = one_by_one(&node, 0..=126).await;
    for (lie, reason) in [
        (Lie::ServerError, "failing"),
        (Lie::Garbage, "failing"),
        (Lie::Limited, "limited"),
        (Lie::TooMany(600), "limited"),
    ] {
        let node = self::node(&[&liar, &honest]);
        liar.set(lie);
        assert_eq!(node.headers(0..=126).await.unwrap(), expected, "{lie:?}");
        assert_eq!(node.health()[0].left, Some(reason), "{lie:?}");
    }
}

#[tokio::test]
async fn a_batch_that_is_longer_than_is_read_is_asked_in_parts() {
    let (_chain, liar, node) = start().await;
    let expected = one_by_one(&node, 0..=126).await;
    let small = node.with_limits(Limits { answer_bytes: 20_000, ..LIMITS });
    assert_eq!(small.headers(0..=126).await.unwrap(), expected);
    assert!(node.health()[0].left.is_none());
    let before = liar.asked();
    let tiny = node.with_limits(Limits { answer_bytes: 100, ..LIMITS });
    assert!(matches!(tiny.headers(0..=126).await, Err(NodeError::TooLarge { .. })));
    assert!(liar.asked() - before < 300, "it comes to an end");
}

#[tokio::test]
async fn one_that_is_silent_about_large_batches_is_asked_smaller_ones_and_not_left() {
    let (_chain, liar, node) = start().await;
    let expected = one_by_one(&node, 0..=126).await;
    let second = Duration::from_secs(1);
    let hurried = node.with_limits(Limits { endpoint: second, ..LIMITS });
    liar.set(Lie::SilentBeyond(30));
    assert_eq!(hurried.headers(0..=126).await.unwrap(), expected);
    assert_eq!(node.health()[0].left, None);
    // It is known: the next ones are small from the beginning, and none of them waits in vain.
    let (before, began) = (liar.asked(), Instant::now());
    assert_eq!(hurried.headers(0..=126).await.unwrap(), expected);
    let asked = liar.asked() - before;
    assert!((5..=8).contains(&asked) && began.elapsed() < 2 * second, "{asked} {:?}", began.elapsed());
    // One that is silent about everything is left, and the caller hears of it.
    liar.set(Lie::Hangs);
    assert!(hurried.headers(0..=126).await.is_err());
    testkit::eventually(LIMITS.call, "it is left", async || {
        (node.health()[0].left == Some("failing")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_whose_limit_a_batch_exceeds_is_asked_smaller_ones() {
    let (_chain, liar, node) = start().await;
    let expected = one_by_one(&node, 0..=126).await;
    liar.set(Lie::LimitsBeyond(60));
    assert_eq!(node.headers(0..=126).await.unwrap(), expected);
    let before = liar.asked();
    assert_eq!(node.headers(0..=126).await.unwrap(), expected);
    assert!((3..=5).contains(&(liar.asked() - before)), "batches of fifty, and perhaps the chain's number");
    // One that has no time for anything is no endless matter.
    liar.set(Lie::Limited);
    let hurried = node.with_limits(Limits { call: Duration::from_millis(500), ..LIMITS });
    assert!(hurried.headers(0..=126).await.unwrap_err().is_limit());
}

#[tokio::test]
async fn a_registered_rate_counts_each_question_of_a_batch() {
    let (_chain, liar, _) = start().await;
    let endpoint = Endpoint::parse(&liar.url, "url", 0, 1).unwrap().with_rate_limit(40);
    let node = Node::new(ChainId::new(31337).unwrap(), vec![endpoint]).with_limits(LIMITS);
    let before = liar.asked();
    assert_eq!(node.headers(0..=119).await.unwrap().len(), 120);
    assert!((7..=9).contains(&(liar.asked() - before)), "batches of twenty at most, and the chain's number");
}

#[tokio::test]
async fn senders_are_those_of_the_receipts() {
    let (chain, liar, node) = start().await;
    let headers = node.headers(0..=126).await.unwrap();
    let hashes: Vec<B256> = headers.iter().map(|header| header.hash).collect();
    let mut expected = std::collections::HashMap::new();
    for hash in &hashes {
        for receipt in node.block_receipts(*hash).await.unwrap().unwrap() {
            expected.insert(receipt.transaction_hash, receipt.from);
        }
    }
    assert_eq!(expected.len(), 3);
    let of_nobody: Vec<B256> = hashes.iter().copied().chain([B256::repeat_byte(9)]).collect();
    for lie in [Lie::Honest, Lie::ShuffledBatches, Lie::PartOfBatches, Lie::NoBatches] {
        liar.set(lie);
        assert_eq!(node.senders(&hashes).await.unwrap(), expected, "{lie:?}");
        assert_eq!(node.senders(&of_nobody[120..]).await.unwrap(), expected, "{lie:?}: and none of nobody");
    }
    assert_eq!(node.senders(&[]).await.unwrap().len(), 0);
    let honest = Liar::before(&chain.url).await;
    liar.set(Lie::WrongHash);
    let both = self::node(&[&liar, &honest]);
    assert_eq!(both.senders(&hashes).await.unwrap(), expected);
    assert_eq!(both.health()[0].left, Some("lying"));
}
