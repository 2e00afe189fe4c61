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

    // One block more than may be taken back.
    rig.chain.rpc("anvil_reorg", json!([3, []])).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_begun_at_its_head_follows_a_reorganisation_right_away() {
    let rig = Rig::new().await;
    rig.chain.mine(10).await;
    let far = rig.chain.head().await + 1000;
    rig.register(&[("factory", rig.deployed.factory, far)], 3);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    let history = "select coalesce(max(affected_blocks), 0)::bigint from reorg_history";
    for depth in [1, 3] {
        rig.chain.rpc("anvil_reorg", json!([depth, []])).await;
        stores.caught_up(&rig).await;
        assert_eq!(stores.count(history).await, depth);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_endpoint_on_a_long_branch_of_its_own_does_not_halt_the_chain() {
    let rig = Rig::new().await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], 2);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Ours").await;
    rig.mint(collection, 1).await;
    rig.chain.mine(10).await;
    stores.caught_up(&rig).await;
    let foreign = testkit::chain().await;
    foreign.mine(rig.chain.head().await + 1).await;
    // It is asked first while it behaves.
    rig.endpoints(&foreign.url, &rig.chain.url);
    rig.mint(collection, 1).await;
    let halted = "select count(*) from indexer_checkpoints where halted_at is not null";
    stores.caught_up(&rig).await;
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    assert_eq!(stores.count(halted).await, 0);
    running.stop().await;
    rig.endpoint(&rig.chain.url);
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_depth_transactions_that_move_or_are_dropped_are_told_where_they_are_now() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Moved").await;
    stores.caught_up(&rig).await;
    for (count, depth) in [(1, 2_u64), (2, 7), (3, 12), (4, 64)] {
        let mut raw = Vec::new();
        for quantity in 1..=2 {
            let receipt = rig.mint(collection, quantity).await;
            raw.push(rig.chain.rpc("eth_getRawTransactionByHash", json!([receipt["transactionHash"]])).await);
        }
        if depth > 2 {
            rig.chain.mine(depth - 3).await;
            rig.mint(collection, 3).await;
        }
        stores.caught_up(&rig).await;
        let before = stores.told().await.len();
        // Of the first two only one comes back, in the last block; what followed it is dropped.
        rig.chain.rpc("anvil_reorg", json!([depth, [[raw[0], depth - 1]]])).await;
        stores.caught_up(&rig).await;
        let history = "select count(*) from reorg_history";
        assert_eq!(stores.count(history).await, count, "one reorganisation, whatever its depth");
        let affected = "select affected_blocks::bigint from reorg_history order by id desc limit 1";
        assert_eq!(stores.count(affected).await, depth as i64);
        let told = stores.told().await;
        let since = rig::events(&told[before..]);
        let of = |removed| since.iter().filter(|(_, event)| event.removed == removed).count();
        assert_eq!((of(true), of(false)), (if depth > 2 { 6 } else { 3 }, 1), "taken back, and told again");
    }
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_comes_back_after_its_row_was_swept_is_told_in_a_generation_of_its_own() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Swept").await;
    let receipt = rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    let state = rig.chain.rpc("anvil_dumpState", json!([])).await;
    rig.chain.rpc("anvil_reorg", json!([1, []])).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    let block: alloy::primitives::B256 = receipt["blockHash"].as_str().unwrap().parse().unwrap();
    sqlx::query(
        "with gone as (delete from blocks where hash = $1 returning chain_id, hash)
         insert into old_generations (chain_id, hash, generation) select chain_id, hash, 5 from gone",
    )
    .bind(block.as_slice())
    .execute(&stores.db.pool)
    .await
    .unwrap();
    rig.chain.rpc("anvil_loadState", json!([state])).await;
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    let raw_id = format!("{}/{block}/0", rig::CHAIN);
    eventually(SOON, "the raw event says so", async || {
        let raw = stores.raw(&raw_id).await?;
        (raw.get_bool("canonical").ok()? && raw.get_i32("generation").ok()? == 6).then_some(())
    })
    .await;
    running.stop().await;
    let told = stores.told().await;
    let minted = rig::events(&told).into_iter().rfind(|(_, event)| event.kind == "vitrine.mints.minted.v1");
    let (_, minted) = minted.unwrap();
    assert_eq!((minted.generation, minted.removed), (6, false));
    rig::assert_equals_rebuild(&rig, &stores).await;
}
