//! A chain that was left behind by a deep reorganisation is taken back, and follows again.

use proto::indexer::v1 as pb;
use serde_json::json;
use testkit::eventually;

use crate::{
    backfill::found,
    rig::{self, CHAIN, Rig, Running, SOON, Stores},
};

fn asked(from_block: u64, dry_run: bool) -> pb::StartJobRequest {
    let kind = pb::JobKind::Rewind.into();
    pb::StartJobRequest { chain_id: CHAIN.into(), kind, from_block, dry_run, ..Default::default() }
}

/// A chain with a window of so few blocks, halted by a reorganisation of so many. Tells the lowest block that is gone.
async fn halted(depth: u32, reorg: u64) -> (Rig, Stores, Running, u64) {
    let rig = Rig::new().await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], depth);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Deep").await;
    for turn in 0..reorg + 2 {
        rig.mint(collection, 1 + turn % 3).await;
        stores.caught_up(&rig).await;
    }
    // A collection of the branch that goes.
    let lost = rig.create(true, "Lost").await;
    rig.mint_multi(lost, &[1, 2], &[3, 4]).await;
    stores.caught_up(&rig).await;
    let head = rig.chain.head().await;
    rig.chain.rpc("anvil_reorg", json!([reorg, []])).await;
    eventually(SOON, "the chain is halted", async || {
        (stores.count("select count(*) from indexer_checkpoints where halted_at is not null").await == 1)
            .then_some(())
    })
    .await;
    rig.mint(collection, 5).await;
    (rig, stores, running, head - reorg + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_chain_is_rewound_and_follows_by_itself() {
    let (rig, stores, running, gone) = halted(2, 6).await;
    let before = stores.told().await;

    // A block that the node does not have is no place to go on from.
    let wrong = rig.job(&running, asked(gone + 1, false)).await;
    let wrong = rig.ended(&running, wrong.job_id).await;
    assert_eq!(wrong.state(), pb::JobState::Failed, "{wrong:?}");
    assert!(wrong.error.contains(&format!("rewind to block {gone}")), "{}", wrong.error);
    assert_eq!(stores.told().await, before);

    let tried = rig.job(&running, asked(gone, true)).await;
    let tried = rig.ended(&running, tried.job_id).await;
    assert_eq!(tried.state(), pb::JobState::Done, "{tried:?}");
    assert!(tried.events > 0 && found(&tried)["counts"]["minted"].as_u64().unwrap() > 0, "{tried:?}");
    assert_eq!(stores.told().await, before, "nothing is changed by trying");

    let job = rig.job(&running, asked(gone, false)).await;
    let twice = rig.try_job(&running, asked(gone, false)).await;
    let job = rig.ended(&running, job.job_id).await;
    assert_eq!((job.state(), job.events), (pb::JobState::Done, tried.events), "{job:?}");
    if let Err(status) = twice {
        // Asked a little later, the blocks to be rewound were gone already.
        let reason = rpc::Problem::from(&status).reason;
        assert!(reason == "REWIND_OPEN" || reason == "BAD_INPUT", "{status:?}");
    }
    stores.idle().await;
    stores.caught_up(&rig).await;
    let again = rig.create(true, "Again").await;
    rig.mint_multi(again, &[7], &[7]).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_was_rewound_and_comes_back_is_told_in_its_next_generation() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Back").await;
    for _ in 0..8 {
        rig.mint(collection, 2).await;
    }
    stores.caught_up(&rig).await;
    let (head, state) = (rig.chain.head().await, rig.chain.rpc("anvil_dumpState", json!([])).await);
    // A chain that is well is rewound and reads the same blocks again, although no new one comes.
    for turn in 1..=2 {
        let job = rig.job(&running, asked(head - 5, false)).await;
        let job = rig.ended(&running, job.job_id).await;
        assert_eq!(job.state(), pb::JobState::Done, "{job:?}");
        stores.caught_up(&rig).await;
        let mints = rig::events(&stores.told().await);
        assert_eq!(mints.iter().map(|(_, event)| event.generation).max(), Some(turn + 1));
    }
    rig.chain.rpc("anvil_reorg", json!([3, []])).await;
    stores.caught_up(&rig).await;
    rig.chain.rpc("anvil_loadState", json!([state])).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_below_the_window_are_taken_back_by_their_documents() {
    let rig = Rig::new().await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], 1);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Old").await;
    rig.mint(collection, 3).await;
    let first = rig.chain.head().await;
    let multi = rig.create(true, "Older").await;
    rig.mint_multi(multi, &[1, 2], &[5, 6]).await;
    // The sweep keeps twice the depth and sixty-four, and comes every sixty-four blocks.
    for _ in 0..4 {
        rig.chain.mine(64).await;
        rig.mint(collection, 1).await;
        stores.caught_up(&rig).await;
    }
    let remembered = stores.count("select min(number) from blocks").await;
    assert!(remembered > first.cast_signed() + 2, "{remembered}");
    let before = rig::net(&stores.told().await);
    let state = rig.chain.rpc("anvil_dumpState", json!([])).await;

    let deep = rig.chain.head().await - first;
    rig.chain.rpc("anvil_reorg", json!([deep, []])).await;
    eventually(SOON, "the chain is halted", async || {
        (stores.count("select count(*) from indexer_checkpoints where halted_at is not null").await == 1)
            .then_some(())
    })
    .await;
    let job = rig.job(&running, asked(first + 1, false)).await;
    let job = rig.ended(&running, job.job_id).await;
    assert_eq!(job.state(), pb::JobState::Done, "{job:?}");
    assert!(found(&job)["counts"]["blocks known by documents alone"].as_u64().unwrap() > 0);
    stores.caught_up(&rig).await;
    rig::assert_equals_rebuild(&rig, &stores).await;

    // The old branch comes back, as deep.
    rig.chain.rpc("anvil_loadState", json!([state])).await;
    eventually(SOON, "the chain is halted", async || {
        (stores.count("select count(*) from indexer_checkpoints where halted_at is not null").await == 1)
            .then_some(())
    })
    .await;
    let job = rig.job(&running, asked(first + 1, false)).await;
    let job = rig.ended(&running, job.job_id).await;
    assert_eq!(job.state(), pb::JobState::Done, "{job:?}");
    stores.caught_up(&rig).await;
    running.stop().await;
    let told = stores.told().await;
    rig::assert_told_once(&told);
    assert_eq!(rig::net(&told), before, "the same branch, the same events");
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_lost_are_missed_and_said_so() {
    let rig = Rig::new().await;
    let collection = rig.create(false, "Lossy").await;
    rig.mint(collection, 3).await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], 1);
    rig.chain.mine(10).await;
    let stores = rig.stores().await;
    // Read far below the head: what is told of it is not kept.
    let running = rig.start(&stores);
    stores.caught_up(&rig).await;
    let events = stores.mongo.database(&stores.mongo_database).collection::<bson::Document>("raw");
    let lost = events.find_one(bson::doc! { "event_type": "Transfer" }).await.unwrap().unwrap();
    events.delete_one(bson::doc! { "_id": lost.get_str("_id").unwrap() }).await.unwrap();
    let from = u64::try_from(lost.get_i64("block_number").unwrap()).unwrap();
    for dry_run in [true, false] {
        let job = rig.job(&running, asked(from, dry_run)).await;
        let job = rig.ended(&running, job.job_id).await;
        assert_eq!(job.state(), pb::JobState::Done, "{job:?}");
        assert_eq!(
            found(&job)["samples"]["lost documents"],
            json!([lost.get_str("_id").unwrap()]),
            "{job:?}"
        );
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_blocks_that_are_not_told_yet_are_left_alone() {
    let (rig, stores, running, gone) = halted(2, 6).await;
    // As a follower leaves it that was stopped between the document and the commit.
    let head = rig.chain.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
    let (number, hash) = (rig.chain.head().await, head["hash"].as_str().unwrap());
    assert!(number.cast_signed() > stores.count("select last_block from indexer_checkpoints").await);
    let events = stores.mongo.database(&stores.mongo_database).collection::<bson::Document>("raw");
    let mut early = events.find_one(bson::doc! { "event_type": "Transfer" }).await.unwrap().unwrap();
    let id = format!("{CHAIN}/{hash}/0");
    early.extend(bson::doc! {
        "_id": &id, "blockHash": hash, "block_number": number.cast_signed(), "canonical": true, "generation": 1,
    });
    early.insert("logIndex", 0_i64);
    events.insert_one(early).await.unwrap();
    let job = rig.job(&running, asked(gone, false)).await;
    let job = rig.ended(&running, job.job_id).await;
    assert_eq!(job.state(), pb::JobState::Done, "{job:?}");
    stores.caught_up(&rig).await;
    assert!(stores.raw(&id).await.unwrap().get_bool("canonical").unwrap());
    // Those of the branch that is gone are brought into line by the follower.
    eventually(SOON, "the documents say what became of their blocks", async || {
        let behind =
            "select count(*) from blocks where raw_canonical <> is_canonical or raw_generation <> generation";
        (stores.count(behind).await == 0).then_some(())
    })
    .await;
    let filter = bson::doc! { "canonical": true, "block_number": { "$gte": gone.cast_signed() } };
    let on_chain: u64 = events.count_documents(filter).await.unwrap();
    let known = stores.count("select coalesce(sum(cardinality(raw_logs)), 0)::bigint from blocks where is_canonical and number >= (select fork_block + 1 from reorg_history order by id desc limit 1)").await;
    assert_eq!(on_chain.cast_signed(), known);
    running.stop().await;
}

/// Dies while a chain is rewound; another indexer ends it.
async fn survives(failpoint: &str) {
    let (rig, stores, running, gone) = halted(2, 5).await;
    running.stop().await;
    sqlx::query(
        "insert into jobs (chain_id, kind, from_block, to_block, next_block, asked_by)
         select chain_id, 'REWIND', $1, last_block, last_block, 'test' from indexer_checkpoints",
    )
    .bind(gone.cast_signed())
    .execute(&stores.db.pool)
    .await
    .unwrap();
    let mut mortal = rig.spawn(&stores, failpoint);
    mortal.dead().await;
    let both = [rig.start(&stores), rig.start(&stores)];
    stores.idle().await;
    stores.caught_up(&rig).await;
    for running in both {
        running.stop().await;
    }
    rig::assert_told_once(&stores.told().await);
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_after_the_commit_that_takes_blocks_back() {
    survives("indexer.job_committed:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_before_the_commit_that_goes_on() {
    survives("indexer.job_raw_written:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn death_after_the_commit_that_goes_on() {
    survives("indexer.job_committed:2").await;
}
