//! Sockets that tell of heads: when they wake, and when they are taken for dead.

use std::time::Duration;

use evm::{Endpoint, HeadWakes, Health, Node};
use ids::ChainId;
use testkit::{Chain, Liar, Lie};
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(30);

fn node(urls: &[&str]) -> Node {
    let endpoints = urls.iter().map(|url| Endpoint::parse(url, "url", 0, 1).unwrap()).collect();
    let node = Node::new(ChainId::new(31337).unwrap(), endpoints);
    node.set_block_time(Duration::from_millis(300));
    node
}

async fn changed(wakes: &mut HeadWakes) {
    timeout(WITHIN, wakes.changed()).await.expect("it wakes");
}

/// Waits until it lives or not; each step is told of.
async fn becomes(wakes: &mut HeadWakes, is_alive: bool) {
    let turn = async {
        while wakes.is_alive() != is_alive {
            wakes.changed().await;
        }
    };
    timeout(WITHIN, turn).await.expect("what becomes of a socket is told");
}

fn socket(node: &Node) -> Health {
    node.health().into_iter().find(|health| health.is_socket).expect("there is a socket")
}

/// A chain with an endpoint whose socket it is.
async fn start() -> (Chain, Liar, Node) {
    let chain = testkit::chain().await;
    let liar = Liar::before(&chain.url).await;
    let node = node(&[&chain.url, &liar.ws_url()]);
    (chain, liar, node)
}

#[tokio::test]
async fn each_new_head_wakes_whoever_follows() {
    let chain = testkit::chain().await;
    let node = node(&[&chain.ws_url, &chain.url]);
    let mut wakes = node.head_wakes();
    assert!(!wakes.is_alive());
    becomes(&mut wakes, true).await;
    let mut also = node.head_wakes();
    for _ in 0..5 {
        // Whatever woke before, a block that is mined now wakes again.
        let heads = socket(&node).answers;
        chain.mine(1).await;
        testkit::eventually(WITHIN, "the head is told", async || {
            (socket(&node).answers > heads).then_some(())
        })
        .await;
        changed(&mut wakes).await;
    }
    changed(&mut also).await;
    assert_eq!(node.block_number().await, Ok(5), "and the socket itself is asked nothing");
    let health = socket(&node);
    assert!(health.is_subscribed && health.left.is_none() && health.host == "127.0.0.1");
    assert_eq!(node.health().len(), 2);
}

#[tokio::test]
async fn a_chain_with_nothing_but_a_socket_cannot_be_asked() {
    let chain = testkit::chain().await;
    let node = node(&[&chain.ws_url]);
    assert!(node.block_number().await.is_err());
    let mut wakes = node.head_wakes();
    becomes(&mut wakes, true).await;
}

#[tokio::test]
async fn one_that_breaks_is_noticed_at_once_and_opened_again() {
    let (chain, liar, node) = start().await;
    let mut wakes = node.head_wakes();
    becomes(&mut wakes, true).await;
    liar.set(Lie::HalfOpen);
    chain.mine(1).await;
    becomes(&mut wakes, false).await;
    assert_eq!(socket(&node).left, Some("silent"));
    liar.set(Lie::Honest);
    becomes(&mut wakes, true).await;
    assert!(socket(&node).failures >= 1);
}

#[tokio::test]
async fn one_that_is_silent_is_no_longer_relied_on() {
    for lie in [Lie::SilentSocket, Lie::Hangs] {
        let (chain, liar, node) = start().await;
        let mut wakes = node.head_wakes();
        becomes(&mut wakes, true).await;
        liar.set(lie);
        chain.mine(1).await;
        becomes(&mut wakes, false).await;
        liar.set(Lie::Honest);
        // The one that tells of nothing tells again on the same connection; the other one is opened anew.
        testkit::eventually(WITHIN, "it lives again", async || {
            chain.mine(1).await;
            wakes.is_alive().then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn one_that_says_what_cannot_be_is_closed() {
    for lie in [Lie::Garbage, Lie::Drowns, Lie::OtherChain] {
        let (_chain, liar, node) = start().await;
        liar.set(lie);
        let wakes = node.head_wakes();
        testkit::eventually(WITHIN, "it is left", async || (socket(&node).failures >= 2).then_some(())).await;
        assert!(!wakes.is_alive() || lie != Lie::OtherChain, "{lie:?}");
        liar.set(Lie::Honest);
        testkit::eventually(WITHIN, "it is heard again", async || wakes.is_alive().then_some(())).await;
    }
}

#[tokio::test]
async fn sockets_come_and_go_with_the_registry() {
    let (chain, liar, node) = start().await;
    let mut wakes = node.head_wakes();
    becomes(&mut wakes, true).await;
    let http = || Endpoint::parse(&chain.url, "url", 0, 1).unwrap();
    node.update_endpoints(vec![http()]);
    becomes(&mut wakes, false).await;
    assert_eq!(node.health().len(), 1);
    let asked = liar.asked();
    node.update_endpoints(vec![http(), Endpoint::parse(&liar.ws_url(), "url", 0, 1).unwrap()]);
    becomes(&mut wakes, true).await;
    assert_eq!(liar.asked(), asked + 1);
    // One that stays is not opened again.
    node.update_endpoints(vec![Endpoint::parse(&liar.ws_url(), "url", 5, 1).unwrap(), http()]);
    let heads = socket(&node).answers;
    chain.mine(1).await;
    testkit::eventually(WITHIN, "it tells on", async || (socket(&node).answers > heads).then_some(())).await;
    assert_eq!(liar.asked(), asked + 1);
}

#[tokio::test]
async fn nobody_listens_when_nobody_waits_and_nothing_outlives_the_node() {
    let (chain, liar, node) = start().await;
    assert_eq!(node.block_number().await, Ok(0));
    assert_eq!(liar.asked(), 0, "nobody waits");
    let mut wakes = node.head_wakes();
    becomes(&mut wakes, true).await;
    drop(wakes);
    testkit::eventually(WITHIN, "the socket is closed", async || {
        (!socket(&node).is_subscribed).then_some(())
    })
    .await;
    let mut wakes = node.head_wakes();
    becomes(&mut wakes, true).await;
    drop(node);
    becomes_dead(&mut wakes).await;
    assert_eq!(chain.head().await, 0);
}

/// After the last node nobody tells any more.
async fn becomes_dead(wakes: &mut HeadWakes) {
    testkit::eventually(WITHIN, "nobody listens any more", async || (!wakes.is_alive()).then_some(())).await;
}

#[tokio::test]
async fn a_key_in_a_header_is_sent_to_a_socket() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://127.0.0.1:{}/#x-api-key=s3cret", listener.local_addr().unwrap().port());
    let endpoint = Endpoint::parse(&url.replacen("wss", "ws", 1), "header", 0, 1).unwrap();
    let node = Node::new(ChainId::new(31337).unwrap(), vec![endpoint]);
    let _wakes = node.head_wakes();
    let (mut stream, _) = timeout(WITHIN, listener.accept()).await.unwrap().unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    while !heard.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await.unwrap();
        assert!(read > 0);
        heard.extend_from_slice(&buffer[..read]);
    }
    let heard = String::from_utf8(heard).unwrap().to_ascii_lowercase();
    assert!(heard.contains("x-api-key: s3cret") && heard.starts_with("get / http/1.1"), "{heard}");
}
