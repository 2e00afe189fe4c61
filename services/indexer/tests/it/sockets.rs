//! Sockets that tell of heads: quick while they live, and nothing is lost when they do not.

use std::time::Duration;

use proto::indexer::v1::ListCheckpointsRequest;
use testkit::{Fault, Proxy, eventually};

use crate::rig::{self, Rig, SOON};

/// So seldom that whatever is indexed within a test was told by a socket.
const NEVER: Duration = Duration::from_secs(3600);

/// The chain's node for questions, and its socket behind a proxy.
async fn with_socket(rig: &Rig) -> Proxy {
    let proxy = Proxy::to(rig.chain.ws_url.trim_start_matches("ws://")).await;
    rig.endpoints(&rig.chain.url, &proxy.url(&rig.chain.ws_url));
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_a_socket_tells_of_is_read_without_polling_also_after_the_socket_was_away() {
    let rig = Rig::new().await;
    let proxy = with_socket(&rig).await;
    let stores = rig.stores().await;
    let running = rig.start_looking_every(&stores, NEVER);
    let collection = rig.create(false, "Heard").await;
    stores.caught_up(&rig).await;
    for _ in 0..3 {
        rig.mint(collection, 1).await;
        stores.caught_up(&rig).await;
    }
    // What happens while the socket is away is seen when it comes back, at the latest.
    proxy.set(Fault::Down);
    rig.mint(collection, 2).await;
    proxy.set(Fault::Pass);
    stores.caught_up(&rig).await;
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_socket_a_chain_is_polled() {
    let rig = Rig::new().await;
    let proxy = with_socket(&rig).await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Polled").await;
    stores.caught_up(&rig).await;
    for fault in [Fault::Down, Fault::Stall] {
        proxy.set(fault);
        rig.mint(collection, 1).await;
        stores.caught_up(&rig).await;
    }
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_alone_is_no_node_and_a_registry_that_names_one_later_is_heard() {
    let rig = Rig::new().await;
    rig.endpoint(&rig.chain.ws_url);
    let stores = rig.stores().await;
    let running = rig.start_looking_every(&stores, NEVER);
    let collection = rig.create(false, "Late").await;
    // It has tried, and found nobody to ask.
    let mut client = running.client(&rig, "operator");
    eventually(SOON, "the indexer says why it cannot begin", async || {
        let all = client.list_checkpoints(ListCheckpointsRequest::default()).await.ok()?.into_inner();
        all.checkpoints.into_iter().any(|at| !at.error.is_empty()).then_some(())
    })
    .await;
    assert_eq!(stores.count("select count(*) from indexer_checkpoints").await, 0);
    rig.endpoints(&rig.chain.url, &rig.chain.ws_url);
    stores.caught_up(&rig).await;
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    running.stop().await;
}
