//! What is stored is held against the chain.

use bson::doc;
use proto::indexer::v1 as pb;
use serde_json::{Value, json};

use crate::{
    backfill::found,
    rig::{CHAIN, Rig, Running},
};

/// What a verification of everything finds.
async fn verified(rig: &Rig, running: &Running) -> Value {
    let to_block = rig.chain.head().await;
    let kind = pb::JobKind::Verify.into();
    let asked =
        pb::StartJobRequest { chain_id: CHAIN.into(), kind, from_block: 1, to_block, ..Default::default() };
    let job = rig.job(running, asked).await;
    let job = rig.ended(running, job.job_id).await;
    assert_eq!((job.state(), job.blocks), (pb::JobState::Done, to_block), "{job:?}");
    found(&job)["counts"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_chain_is_clean_and_each_difference_is_found() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Held").await;
    let receipt = rig.mint(collection, 4).await;
    rig.mint(collection, 1).await;
    let multi = rig.create(true, "Lost").await;
    rig.mint_multi(multi, &[1], &[1]).await;
    stores.caught_up(&rig).await;
    assert_eq!(verified(&rig, &running).await, json!({}));
    rig.chain.rpc("anvil_reorg", json!([2, []])).await;
    rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    assert_eq!(verified(&rig, &running).await, json!({}), "a reorganisation leaves nothing behind");

    let before = stores.told().await;
    let documents = stores.mongo.database(&stores.mongo_database).collection::<bson::Document>("raw");
    let block = receipt["blockHash"].as_str().unwrap();
    let id = |log_index: u32| format!("{CHAIN}/{block}/{log_index}");
    documents.delete_one(doc! { "_id": id(0) }).await.unwrap();
    documents
        .update_one(doc! { "_id": id(1) }, doc! { "$set": { "contract": format!("{multi:#x}") } })
        .await
        .unwrap();
    documents.update_one(doc! { "_id": id(2) }, doc! { "$set": { "canonical": false } }).await.unwrap();
    let dead = documents.find_one(doc! { "canonical": false, "event_type": "TransferBatch" }).await.unwrap();
    let dead = match dead {
        Some(dead) => dead,
        None => documents
            .find_one(doc! { "contract": format!("{multi:#x}"), "canonical": false })
            .await
            .unwrap()
            .unwrap(),
    };
    documents
        .update_one(doc! { "_id": dead.get_str("_id").unwrap() }, doc! { "$set": { "canonical": true } })
        .await
        .unwrap();
    sqlx::query(
        "delete from block_batches where kind = 'minted'
           and block_hash = (select hash from blocks where is_canonical and raw_logs <> '{}' order by number desc limit 1)",
    )
    .execute(&stores.db.pool)
    .await
    .unwrap();
    let counts = verified(&rig, &running).await;
    assert_eq!(
        counts,
        json!({
            "missing document": 1,
            "altered document": 1,
            "document is not canonical": 1,
            "document of a dead branch": 1,
            "missing in kept batches": 2,
        })
    );
    assert_eq!(stores.told().await, before, "nothing is changed by looking");
    running.stop().await;
}
