//! Death at every edge of a commit loses nothing and tells nothing twice.

use serde_json::json;

use crate::rig::{self, Rig};

/// Dies at the fail point, begins anew, and ends as if nothing had happened.
async fn survives(failpoint: &str, reorg_depth: u64) {
    let rig = Rig::new().await;
    let collection = rig.create(false, "Mortal").await;
    rig.mint(collection, 2).await;
    let stores = rig.stores().await;
    if reorg_depth > 0 {
        // What is to be taken back must have been told.
        let running = rig.start(&stores);
        rig.mint(collection, 1).await;
        stores.caught_up(&rig).await;
        running.stop().await;
        rig.chain.rpc("anvil_reorg", json!([reorg_depth, []])).await;
    }
    let mut mortal = rig.spawn(&stores, failpoint);
    mortal.dead().await;
    let multi = rig.create(true, "Later").await;
    rig.mint_multi(multi, &[1], &[4]).await;
    rig.mint(collection, 3).await;

    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_after_the_raw_events_before_the_commit() {
    survives("indexer.raw_written:1", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_right_after_the_commit() {
    survives("indexer.tx_committed:1", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_in_the_middle_of_taking_blocks_back() {
    survives("indexer.mid_revert:1", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_between_taking_back_and_the_new_branch() {
    survives("indexer.reverted:1", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_between_the_ranges_of_a_chain_that_catches_up_leaves_no_gap() {
    let rig = Rig::new().await;
    // A small window: what is below it is read in ranges.
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], 2);
    let live = rig.stores().await;
    let follower = rig.start(&live);
    let mut collection = rig.create(false, "First").await;
    for turn in 0..60 {
        if turn % 15 == 14 {
            collection = rig.create(false, "Another").await;
        }
        rig.mint(collection, 1).await;
        rig.chain.mine(turn % 5).await;
    }
    live.caught_up(&rig).await;
    follower.stop().await;

    let stores = rig.stores().await;
    for failpoint in ["indexer.tx_committed:2", "indexer.raw_written:2"] {
        rig.spawn(&stores, failpoint).dead().await;
    }
    let at = "select last_block from indexer_checkpoints";
    assert!(stores.count(at).await < rig.chain.head().await as i64, "there is more than one range");
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    running.stop().await;
    let told = stores.told().await;
    rig::assert_told_once(&told);
    assert_eq!(rig::net(&told), rig::net(&live.told().await), "ranges tell what single blocks told");
}
