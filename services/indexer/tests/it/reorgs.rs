//! Blocks that are taken back, brought back, or too many.

use serde_json::json;
use testkit::eventually;

use crate::rig::{self, Rig, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_of_the_same_height_retracts_and_then_tells_the_new_branch() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Kept").await;
    rig.mint(collection, 1).await;
    let lost = rig.create(true, "Lost").await;
    rig.mint_multi(lost, &[5], &[1]).await;
    rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    let (before, head) = (stores.told().await, rig.chain.head().await);

    rig.chain.rpc("anvil_reorg", json!([3, []])).await;
    assert_eq!(rig.chain.head().await, head, "the height alone shows nothing");
    stores.caught_up(&rig).await;
    let told = stores.told().await;
    let (taken, again): (Vec<_>, Vec<_>) =
        rig::events(&told[before.len()..]).into_iter().partition(|(_, event)| event.removed);
    let was: std::collections::BTreeMap<_, _> = rig::events(&before).into_iter().collect();
    assert!(!taken.is_empty() && again.is_empty(), "the new branch is empty");
    for (id, event) in &taken {
        assert_eq!((&was[id].fact, was[id].generation), (&event.fact, event.generation), "word for word");
    }
    let retraction = told.iter().find(|message| message["data"]["removed"] == true).unwrap();
    assert_eq!(retraction["data"]["forkBlock"], json!(head - 3));
    assert_eq!(stores.count("select count(*) from followed_contracts where standard = 'ERC1155'").await, 0);

    // The contract is at the same address once more, in another block.
    rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    assert_eq!(stores.count("select reorg_detected_count from indexer_checkpoints").await, 1);
    assert_eq!(stores.count("select affected_blocks::bigint from reorg_history").await, 3);
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_comes_back_is_told_again_in_its_next_generation() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Flip").await;
    let receipt = rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    let block = receipt["blockHash"].as_str().unwrap();
    let raw_id = format!("{}/{block}/0", rig::CHAIN);

    let state = rig.chain.rpc("anvil_dumpState", json!([])).await;
    for turn in 1..=2_i32 {
        rig.chain.rpc("anvil_reorg", json!([1, []])).await;
        stores.caught_up(&rig).await;
        eventually(SOON, "the raw event is no longer canonical", async || {
            let raw = stores.raw(&raw_id).await?;
            (!raw.get_bool("canonical").ok()?).then_some(())
        })
        .await;
        rig.chain.rpc("anvil_loadState", json!([state])).await;
        let back = rig.chain.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
        assert_eq!(back["hash"], block, "the very same block is back");
        stores.caught_up(&rig).await;
        eventually(SOON, "the raw event is canonical again", async || {
            let raw = stores.raw(&raw_id).await?;
            (raw.get_bool("canonical").ok()? && raw.get_i32("generation").ok()? == turn + 1).then_some(())
        })
        .await;
    }
    running.stop().await;

    let told = stores.told().await;
    rig::assert_told_once(&told);
    let mints: Vec<(u64, bool)> = rig::events(&told)
        .into_iter()
        .filter(|(_, event)| event.kind == "vitrine.mints.minted.v1")
        .map(|(_, event)| (event.generation, event.removed))
        .collect();
    assert_eq!(mints, [(1, false), (1, true), (2, false), (2, true), (3, false)]);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_branch_that_grows_longer_is_followed() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Short").await;
    for _ in 0..4 {
        rig.mint(collection, 1).await;
    }
    stores.caught_up(&rig).await;
    rig.chain.rpc("anvil_rollback", json!([3])).await;
    rig.mint(collection, 5).await;
    stores.caught_up(&rig).await;
    for _ in 0..4 {
        rig.mint(collection, 1).await;
    }
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_deeper_than_the_window_halts_the_chain_and_changes_nothing() {
    let rig = Rig::new().await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], 2);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Deep").await;
    for _ in 0..5 {
        rig.mint(collection, 1).await;
    }
    stores.caught_up(&rig).await;
    let before = stores.told().await;

    rig.chain.rpc("anvil_reorg", json!([4, []])).await;
    eventually(SOON, "the chain is halted", async || {
        (stores.count("select count(*) from indexer_checkpoints where halted_at is not null").await == 1)
            .then_some(())
    })
    .await;
    rig.mint(collection, 1).await;
    let mut client = running.client(&rig, "operator");
    let asked = proto::indexer::v1::ListCheckpointsRequest { chain_id: rig::CHAIN.into() };
    let checkpoint = client.list_checkpoints(asked).await.unwrap().into_inner().checkpoints.remove(0);
    assert!(checkpoint.halted && !checkpoint.live);
    running.stop().await;

    // It stays halted after a restart, too.
    let again = rig.start(&stores);
    eventually(SOON, "the restarted indexer has looked", async || {
        (stores.count("select epoch from leases").await == 2).then_some(())
    })
    .await;
    again.stop().await;
    assert_eq!(stores.told().await, before);
}
