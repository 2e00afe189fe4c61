//! One worker a chain, whoever dies.

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
    rig.mint(collection, 1).await;
    eventually(SOON, "the second one takes over", async || (stores.count(holder).await == 2).then_some(()))
        .await;
    stores.caught_up(&rig).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_takes_longer_than_the_lease_does_not_cost_it() {
    let rig = Rig::new().await;
    let collection = rig.create(false, "Slow").await;
    let stores = rig.stores().await;
    let first = rig.start(&stores);
    stores.caught_up(&rig).await;
    let second = rig.start(&stores);
    let mut hold = stores.db.pool.begin().await.unwrap();
    sqlx::query("select chain_id from indexer_checkpoints for update").execute(&mut *hold).await.unwrap();
    rig.mint(collection, 1).await;
    let expired = "select count(*) from leases where expires_at < clock_timestamp() - interval '1 second'";
    eventually(SOON, "the lease is over in the middle of a commit", async || {
        (stores.count(expired).await == 1).then_some(())
    })
    .await;
    // One waits since before, and one comes only now.
    let third = rig.start(&stores);
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                   and wait_event_type = 'Lock' and query like 'insert into leases%'";
    eventually(SOON, "two want the lease", async || (stores.count(waiting).await == 2).then_some(())).await;
    hold.rollback().await.unwrap();
    stores.caught_up(&rig).await;
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    assert_eq!(stores.count("select epoch from leases").await, 1, "it is still the first one's");
    for running in [first, second, third] {
        running.stop().await;
    }
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}
