//! How far a chain is read, as sockets hear of it.

use std::{collections::BTreeMap, time::Duration};

use async_graphql::Response;
use futures::{Stream, StreamExt};
use prost::Message;
use proto::{common::v1::BlockRef, indexer::v1 as indexer};
use serde_json::{Value, json};
use testkit::eventually;
use tokio_util::sync::CancellationToken;

use super::played_tests::{CHAIN, Fleet, chains};
use crate::checkpoints::{self, Checkpoints};

const SOON: Duration = Duration::from_secs(20);

fn told(number: u64, rate: f64) -> indexer::WatchCheckpointsResponse {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let block =
        |number: u64| BlockRef { number, hash: format!("0x{}", "ab".repeat(32)), time: time(1_800_000_000) };
    let checkpoint = indexer::Checkpoint {
        chain_id: CHAIN.to_owned(),
        head: Some(block(number + 2)),
        indexed: Some(block(number)),
        live: true,
        finalized_block: Some(3),
        lag_blocks: 2,
        lag_seconds: 24.5,
        last_reorg_time: time(1_800_000_001),
        blocks_per_second: rate,
        ..Default::default()
    };
    // Others are told of over the same stream.
    let other = indexer::Checkpoint { chain_id: "eip155:1".to_owned(), ..checkpoint.clone() };
    indexer::WatchCheckpointsResponse { checkpoints: vec![other, checkpoint] }
}

async fn next(stream: &mut (impl Stream<Item = Response> + Unpin)) -> Value {
    let answer = tokio::time::timeout(SOON, stream.next()).await.expect("a word").expect("not the end");
    assert!(answer.errors.is_empty(), "{:?}", answer.errors);
    answer.data.into_json().unwrap()["indexStatus"].clone()
}

#[tokio::test]
async fn all_sockets_share_one_stream_which_is_taken_up_again_and_ends_with_the_last_of_them() {
    let answers = BTreeMap::from([("ListChains", Ok(chains().encode_to_vec()))]);
    let fleet = Fleet::start(answers).await;
    let (shared, stop) = (Checkpoints::new(), CancellationToken::new());
    let following = tokio::spawn(checkpoints::follow(shared.clone(), fleet.peers.clone(), stop.clone()));
    let schema = super::builder().data(shared).finish();
    let asked = |fields: &str| {
        let query = format!("subscription {{ indexStatus(chainId: \"{CHAIN}\") {{ {fields} }} }}");
        schema.execute_stream(fleet.request(&query, None)).boxed()
    };
    let (mut first, mut second) = (
        asked(
            "headBlock indexedBlock indexedBlockHash indexedBlockTimestamp finalizedBlock lagBlocks lagSeconds
             isLive isHalted lastReorgAt",
        ),
        asked("indexedBlock"),
    );
    let hears = async {
        eventually(SOON, "the indexer is watched", async || (fleet.watchers() == 1).then_some(())).await;
        fleet.tell(&told(5, 0.0)).await;
    };
    let (whole, short, ()) = tokio::join!(next(&mut first), next(&mut second), hears);
    let expected = json!({
        "headBlock": "7", "indexedBlock": "5", "indexedBlockHash": format!("0x{}", "ab".repeat(32)),
        "indexedBlockTimestamp": "2027-01-15T08:00:00.000Z", "finalizedBlock": "3", "lagBlocks": 2,
        "lagSeconds": 24.5, "isLive": true, "isHalted": false, "lastReorgAt": "2027-01-15T08:00:01.000Z",
    });
    assert_eq!((whole, short), (expected, json!({ "indexedBlock": "5" })));
    assert_eq!(fleet.watchers(), 1, "both hear one stream");

    // A rate is nothing that is shown.
    fleet.tell(&told(5, 9.0)).await;
    fleet.tell(&told(6, 9.0)).await;
    assert_eq!(next(&mut second).await, json!({ "indexedBlock": "6" }));

    fleet.cut();
    eventually(SOON, "the stream is taken up again", async || (fleet.watchers() == 1).then_some(())).await;
    fleet.tell(&told(7, 0.0)).await;
    assert_eq!(next(&mut second).await, json!({ "indexedBlock": "7" }));

    // Who comes later hears at once what is.
    assert_eq!(next(&mut asked("indexedBlock")).await, json!({ "indexedBlock": "7" }));
    drop((first, second));
    eventually(SOON, "nobody is heard for nobody", async || (fleet.watchers() == 0).then_some(())).await;
    stop.cancel();
    following.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_indexer_that_answers_with_silence_is_said_to_be_away_to_who_watches_and_to_who_comes() {
    let answers = BTreeMap::from([("ListChains", Ok(chains().encode_to_vec()))]);
    let fleet = Fleet::start(answers).await;
    let (shared, stop) = (Checkpoints::new(), CancellationToken::new());
    let following = tokio::spawn(checkpoints::follow(shared.clone(), fleet.peers.clone(), stop.clone()));
    let schema = super::builder().data(shared).finish();
    let query = format!("subscription {{ indexStatus(chainId: \"{CHAIN}\") {{ indexedBlock }} }}");
    let asked = || schema.execute_stream(fleet.request(&query, None)).boxed();
    let mut open = asked();
    let hears = async {
        eventually(SOON, "the indexer is watched", async || (fleet.watchers() == 1).then_some(())).await;
        fleet.tell(&told(5, 0.0)).await;
    };
    assert_eq!(tokio::join!(next(&mut open), hears).0, json!({ "indexedBlock": "5" }));

    // From now on it takes every question and says nothing.
    fleet.cut();
    let error = async |stream: &mut futures::stream::BoxStream<'_, Response>| {
        let answer = tokio::time::timeout(SOON, stream.next()).await.expect("a word").expect("not the end");
        serde_json::to_value(&answer.errors[0]).unwrap()["extensions"]["code"].clone()
    };
    assert_eq!(error(&mut open).await, "UNAVAILABLE");
    assert!(open.next().await.is_none(), "and it ends");
    assert_eq!(error(&mut asked()).await, "UNAVAILABLE");
    stop.cancel();
    following.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_chain_that_is_not_there_is_said_not_to_be() {
    let answers = BTreeMap::from([("ListChains", Ok(chains().encode_to_vec()))]);
    let fleet = Fleet::start(answers).await;
    let schema = super::builder().data(Checkpoints::new()).finish();
    let query = "subscription { indexStatus(chainId: \"eip155:7\") { isLive } }";
    let answer = schema.execute_stream(fleet.request(query, None)).boxed().next().await.unwrap();
    let error = serde_json::to_value(&answer.errors[0]).unwrap();
    assert_eq!(error["extensions"]["code"], "NOT_FOUND", "{error}");
}
