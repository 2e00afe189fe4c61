//! One worker a chain, whoever dies.

use std::time::{Duration, Instant};

use testkit::eventually;

use crate::rig::{self, Rig, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_indexers_one_follows_and_the_other_takes_over_from_the_dead_one() {
    let rig = Rig::new().await;
    let collection = rig.create(false, "Shared").await;
    let stores = rig.stores().await;
    let mut first = rig.spawn(&stores, "");
    stores.caught_up(&rig).await;
    let holder = "select epoch from leases";
    assert_eq!(stores.count(holder).await, 1);

    let second = rig.start(&stores);
    for _ in 0..5 {
        rig.mint(collection, 1).await;
        stores.caught_up(&rig).await;
    }
    assert_eq!(stores.count(holder).await, 1, "the second one waits while the first one renews");

    first.kill();
    let died = Instant::now();
    rig.mint(collection, 1).await;
    eventually(SOON, "the second one takes over", async || (stores.count(holder).await == 2).then_some(()))
        .await;
    stores.caught_up(&rig).await;
    assert!(died.elapsed() < Duration::from_secs(6), "taken over after {:?}", died.elapsed());
    second.stop().await;

    // Who stops in peace gives the chain back at once.
    let third = rig.start(&stores);
    eventually(SOON, "the third one takes over", async || (stores.count(holder).await == 3).then_some(()))
        .await;
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    third.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_indexers_that_read_a_reorganising_chain_together_tell_everything_once() {
    let rig = Rig::new().await;
    let collection = rig.create(false, "Contended").await;
    let stores = rig.stores().await;
    let (first, second) = (rig.start(&stores), rig.start(&stores));
    rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    // The lease changes hands in the middle of everything, and the one who lost it must not commit.
    sqlx::query("update leases set holder = gen_random_uuid(), epoch = epoch + 1, expires_at = now()")
        .execute(&stores.db.pool)
        .await
        .unwrap();
    rig.chain.rpc("anvil_reorg", serde_json::json!([1, []])).await;
    rig.mint(collection, 3).await;
    stores.caught_up(&rig).await;
    first.stop().await;
    second.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}
