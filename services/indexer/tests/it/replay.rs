//! A range is told once more, and what was lost of it is written again.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use proto::indexer::v1 as pb;
use serde_json::json;
use testkit::eventually;

use crate::{
    backfill::found,
    rig::{self, CHAIN, Rig, SOON},
};

fn asked(to_block: u64, dry_run: bool) -> pb::StartJobRequest {
    let kind = pb::JobKind::Replay.into();
    pb::StartJobRequest {
        chain_id: CHAIN.into(),
        kind,
        from_block: 1,
        to_block,
        dry_run,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_tells_the_same_once_more_and_restores_what_was_lost() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Again").await;
    let multi = rig.create(true, "Multi").await;
    for turn in 1..=3 {
        rig.mint(collection, turn).await;
        rig.mint_multi(multi, &[turn], &[turn]).await;
    }
    // Some blocks are in their second generation.
    stores.caught_up(&rig).await;
    let state = rig.chain.rpc("anvil_dumpState", json!([])).await;
    rig.chain.rpc("anvil_reorg", json!([2, []])).await;
    stores.caught_up(&rig).await;
    rig.chain.rpc("anvil_loadState", json!([state])).await;
    stores.caught_up(&rig).await;
    let (before, head) = (stores.told().await, rig.chain.head().await);

    let tried = rig.job(&running, asked(head, true)).await;
    let tried = rig.ended(&running, tried.job_id).await;
    assert_eq!(tried.state(), pb::JobState::Done, "{tried:?}");
    assert_eq!(tried.events as usize, rig::net(&before).len(), "{tried:?}");
    assert_eq!(stores.told().await, before);

    let documents = stores.mongo.database(&stores.mongo_database).collection::<bson::Document>("raw");
    let all = async || -> usize {
        let found: Vec<bson::Document> =
            documents.find(bson::doc! {}).await.unwrap().try_collect().await.unwrap();
        found.len()
    };
    let was = all().await;
    for _ in 0..3 {
        let lost = documents.find_one(bson::doc! { "event_type": "Transfer" }).await.unwrap().unwrap();
        documents.delete_one(bson::doc! { "_id": lost.get_str("_id").unwrap() }).await.unwrap();
    }
    // Some batches are gone, and one has lost an event.
    let gone = "delete from block_batches
                where kind = 'minted' and jsonb_array_length(body#>'{batch,events}') = 1";
    assert!(sqlx::query(gone).execute(&stores.db.pool).await.unwrap().rows_affected() > 0);
    let cut = "update block_batches set body = jsonb_set(body, '{batch,events}', (body#>'{batch,events}') - 0)
               where block_hash = (select block_hash from block_batches where kind = 'minted'
                                   and jsonb_array_length(body#>'{batch,events}') > 1 limit 1) and kind = 'minted'";
    assert_eq!(sqlx::query(cut).execute(&stores.db.pool).await.unwrap().rows_affected(), 1);
    let kept = "select block_hash, kind, part, body::text from block_batches order by 1, 2, 3";
    let left: Vec<(Vec<u8>, String, i64, String)> =
        sqlx::query_as(kept).fetch_all(&stores.db.pool).await.unwrap();
    let job = rig.job(&running, asked(head, false)).await;
    let job = rig.ended(&running, job.job_id).await;
    assert_eq!((job.state(), job.events), (pb::JobState::Done, tried.events), "{job:?}");
    assert_eq!(found(&job)["counts"]["documents restored"], 3, "{job:?}");
    assert_eq!(all().await, was);
    let restored: Vec<(Vec<u8>, String, i64, String)> =
        sqlx::query_as(kept).fetch_all(&stores.db.pool).await.unwrap();
    assert!(restored.len() > left.len());
    assert!(left.iter().all(|batch| restored.contains(batch)), "what was kept stays as it was");
    let ids: Vec<String> = sqlx::query_scalar(
        "select event->>'id' from block_batches, jsonb_array_elements(body#>'{batch,events}') event",
    )
    .fetch_all(&stores.db.pool)
    .await
    .unwrap();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no event is kept twice");

    let told = stores.told().await;
    assert_eq!(rig::net(&told), rig::net(&before));
    let ids: BTreeSet<&str> = told.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), told.len(), "the messages have ids of their own");
    let known: Vec<_> = rig::events(&before);
    let again = rig::events(&told[before.len()..]);
    assert_eq!(again.len(), rig::net(&before).len(), "all of them once more");
    for (id, event) in again {
        let known = known.iter().find(|(known, it)| *known == id && it.generation == event.generation);
        assert!(known.is_some() && !event.removed, "{id} was told before in this generation");
    }

    // What it restored is enough to take the blocks back.
    rig.chain.rpc("anvil_reorg", json!([4, []])).await;
    rig.mint(collection, 1).await;
    stores.caught_up(&rig).await;
    running.stop().await;
    rig::assert_equals_rebuild(&rig, &stores).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_dies_goes_on_where_it_was() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Mortal").await;
    for _ in 0..3 {
        rig.mint(collection, 2).await;
    }
    stores.caught_up(&rig).await;
    running.stop().await;
    let (before, head) = (stores.told().await, rig.chain.head().await);
    for failpoint in ["indexer.job_raw_written:1", "indexer.job_committed:1"] {
        let told = stores.told().await.len();
        sqlx::query(
            "insert into jobs (chain_id, kind, from_block, to_block, next_block, asked_by)
             select chain_id, 'REPLAY', 1, $1, 1, 'test' from indexer_checkpoints",
        )
        .bind(head.cast_signed())
        .execute(&stores.db.pool)
        .await
        .unwrap();
        let mut mortal = rig.spawn(&stores, failpoint);
        mortal.dead().await;
        let running = rig.start(&stores);
        stores.idle().await;
        running.stop().await;
        let again = &stores.told().await[told..];
        assert_eq!(rig::events(again).len(), rig::events(&before).len(), "once, whatever died: {failpoint}");
    }
    assert_eq!(rig::net(&stores.told().await), rig::net(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_cancelled_while_its_chain_cannot_be_read() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Stuck").await;
    rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    let head = rig.chain.head().await;
    running.stop().await;
    rig.endpoint("http://127.0.0.1:1");
    let running = rig.start(&stores);
    let job = rig.job(&running, asked(head, false)).await;
    let mut client = running.client(&rig, "operator");
    let told = eventually(SOON, "the job says why it does not go on", async || {
        let asked = pb::GetJobRequest { job_id: job.job_id };
        let job = client.get_job(asked).await.unwrap().into_inner().job.unwrap();
        (!job.error.is_empty()).then_some(job)
    })
    .await;
    assert!(matches!(told.state(), pb::JobState::Queued | pb::JobState::Running), "{told:?}");
    client.cancel_job(pb::CancelJobRequest { job_id: job.job_id }).await.unwrap();
    assert_eq!(rig.ended(&running, job.job_id).await.state(), pb::JobState::Cancelled);
    running.stop().await;
}
