//! Stores and nodes that are away for a while: the chain waits, and nothing is lost.

use testkit::{Fault, Proxy, eventually};

use crate::rig::{self, Rig, SOON};

/// Waits until a worker of this process has been interrupted for this cause.
async fn interrupted(cause: &str) {
    eventually(SOON, "the worker has been interrupted", async || {
        let families = prometheus::gather();
        let counted = families.iter().find(|family| family.name() == "indexer_interruptions_total")?;
        let mut labels = counted.get_metric().iter().flat_map(|metric| metric.get_label());
        labels.any(|label| label.value() == cause).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_raw_store_is_away_nothing_is_committed_and_afterwards_everything_is() {
    let rig = Rig::new().await;
    let mut stores = rig.stores().await;
    let proxy = Proxy::to(stores.mongo_url.trim_start_matches("mongodb://")).await;
    stores.mongo_url = proxy.url(&stores.mongo_url);
    let running = rig.start(&stores);
    let collection = rig.create(false, "Away").await;
    stores.caught_up(&rig).await;

    proxy.set(Fault::Down);
    rig.mint(collection, 2).await;
    interrupted("raw store").await;
    let minted = "select count(*) from outbox where routing_key like 'minted.%'";
    assert_eq!(stores.count(minted).await, 0);

    proxy.set(Fault::Pass);
    stores.caught_up(&rig).await;
    assert_eq!(stores.count(minted).await, 1);
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_and_comes_back_costs_time_and_no_event() {
    let rig = Rig::new().await;
    let proxy = Proxy::to(rig.chain.url.trim_start_matches("http://")).await;
    rig.endpoint(&proxy.url(&rig.chain.url));
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Slow").await;
    stores.caught_up(&rig).await;
    proxy.set(Fault::Down);
    rig.mint(collection, 2).await;
    interrupted("node").await;
    proxy.set(Fault::Pass);
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}
