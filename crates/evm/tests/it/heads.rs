//! Which head is believed while endpoints lag or make blocks up.

use std::time::{Duration, SystemTime};

use evm::{Endpoint, Limits, Node};
use ids::ChainId;
use serde_json::json;
use testkit::{Chain, Liar, Lie};

const LIMITS: Limits =
    Limits { endpoint: Duration::from_millis(800), call: Duration::from_secs(5), answer_bytes: 8 << 20 };
const FOUND_WITHIN: Duration = Duration::from_secs(12);

fn node(endpoints: &[(&Liar, i32)]) -> Node {
    let parse = |(liar, priority): &(&Liar, i32)| Endpoint::parse(&liar.url, "url", *priority, 1).unwrap();
    Node::new(ChainId::new(31337).unwrap(), endpoints.iter().map(parse).collect()).with_limits(LIMITS)
}

/// A chain that began so long ago and has so many blocks: mined at once, they lie a second apart.
async fn chain(began_ago: u64, blocks: u64, more: &[&str]) -> Chain {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let began = (now - began_ago).to_string();
    let chain = testkit::chain_with(&[&["--timestamp", began.as_str()], more].concat()).await;
    chain.mine(blocks).await;
    chain
}

#[tokio::test]
async fn one_that_lags_from_the_first_question_is_found_out_although_its_head_moves() {
    for lie in [Lie::Lags(20), Lie::StaleHead(20)] {
        let chain = chain(100, 40, &["--block-time", "1"]).await;
        let (liar, honest) = (Liar::before(&chain.url).await, Liar::before(&chain.url).await);
        liar.set(lie);
        let node = node(&[(&liar, 0), (&honest, 1)]);
        assert!(node.block_number().await.unwrap() + 15 < chain.head().await, "nothing contradicts it yet");
        testkit::eventually(FOUND_WITHIN, "the head is the chain's", async || {
            (node.block_number().await.unwrap() + 2 >= chain.head().await).then_some(())
        })
        .await;
        let asked = liar.asked();
        assert!(node.block_number().await.unwrap() + 2 >= chain.head().await);
        assert!(liar.asked() <= asked + 2, "it is left: only who looks after it asks it");
    }
}

#[tokio::test]
async fn one_that_makes_blocks_up_from_the_first_question_leaves_alone_in_the_end() {
    for (of_liar, of_honest) in [(0, 1), (0, 0)] {
        let chain = chain(0, 40, &[]).await;
        let (liar, honest) = (Liar::before(&chain.url).await, Liar::before(&chain.url).await);
        liar.set(Lie::Fabricates(1000));
        let node = node(&[(&liar, of_liar), (&honest, of_honest)]);
        testkit::eventually(FOUND_WITHIN, "the head is the chain's", async || {
            (node.block_number().await == Ok(40)).then_some(())
        })
        .await;
        let _ = node.block_number().await;
        testkit::eventually(FOUND_WITHIN, "the liar is left", async || {
            let asked = liar.asked();
            (node.latest_header().await.unwrap().number == 40 && liar.asked() == asked).then_some(())
        })
        .await;
        for _ in 0..20 {
            assert_eq!(node.block_number().await, Ok(40));
        }
    }
}

#[tokio::test]
async fn one_that_makes_blocks_up_is_refused_beside_one_that_was_heard_before() {
    let chain = chain(0, 40, &[]).await;
    let (liar, honest) = (Liar::before(&chain.url).await, Liar::before(&chain.url).await);
    let node = node(&[(&liar, 0), (&honest, 1)]);
    assert_eq!(node.block_number().await, Ok(40));
    liar.set(Lie::Fabricates(1000));
    assert_eq!(node.block_number().await, Ok(40));
    assert_eq!(node.latest_header().await.unwrap().number, 40);
    chain.mine(1).await;
    assert_eq!(node.block_number().await, Ok(41), "and the honest one is not left for it");
    honest.set(Lie::ServerError);
    let asked = honest.asked();
    let _ = node.block_number().await;
    assert!(honest.asked() > asked);
}

#[tokio::test]
async fn a_chain_that_leaps_is_believed_though_the_second_endpoint_is_behind() {
    let chain = chain(1000, 40, &[]).await;
    let (first, second) = (Liar::before(&chain.url).await, Liar::before(&chain.url).await);
    second.set(Lie::Lags(30));
    let node = node(&[(&first, 0), (&second, 1)]);
    assert_eq!(node.block_number().await, Ok(40));
    chain.mine(60).await;
    assert_eq!(node.block_number().await, Ok(100));
    assert_eq!(node.latest_header().await.unwrap().number, 100);
}

#[tokio::test]
async fn a_single_endpoint_is_believed_however_its_chain_leaps() {
    let chain = testkit::chain().await;
    let alone = Liar::before(&chain.url).await;
    let node = node(&[(&alone, 0)]);
    for blocks in [1, 100, 1000] {
        chain.rpc("evm_increaseTime", json!([100_000])).await;
        chain.mine(blocks).await;
        assert_eq!(node.block_number().await, Ok(chain.head().await));
    }
}
