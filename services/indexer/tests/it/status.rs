//! What the indexer says of itself.

use std::time::Duration;

use proto::indexer::v1::{
    Checkpoint, FollowState, ListCheckpointsRequest, ListRawEventsRequest, RawEvent, WatchCheckpointsRequest,
    indexer_service_client::IndexerServiceClient,
};
use serde_json::json;
use testkit::eventually;
use tokio::time::timeout;

use crate::rig::{self, Rig};

/// Each change is told within a second; a machine that is busy has more.
const TOLD_WITHIN: Duration = Duration::from_secs(20);
/// A stream that ends by itself ends long before the server cuts it off, which it does after ten seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

type Client = IndexerServiceClient<rpc::Channel>;

async fn checkpoint(client: &mut Client) -> Checkpoint {
    let all = client.list_checkpoints(ListCheckpointsRequest::default()).await.unwrap().into_inner();
    all.checkpoints.into_iter().next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_tells_all_that_is_committed_and_what_the_follower_alone_knows_by_the_follower_alone() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Told").await;
    rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    rig.chain.rpc("anvil_reorg", json!([2, []])).await;
    stores.caught_up(&rig).await;

    let mut client = running.client(&rig, "operator");
    let at = checkpoint(&mut client).await;
    assert_eq!(at.state(), FollowState::Following);
    assert!(at.live && !at.halted && at.error.is_empty(), "{at:?}");
    assert_eq!((at.lag_blocks, at.lag_seconds, at.reorgs, at.last_reorg_depth), (0, 0.0, 1, 2));
    assert!(at.last_reorg_time.is_some() && at.commit_time.is_some());
    assert!(at.blocks_per_second > 0.0 && at.events_per_second > 0.0, "{at:?}");
    assert!(at.safe_block.is_some() && at.finalized_block <= at.safe_block, "{at:?}");
    assert!(at.first_block > 0 && at.first_block <= at.indexed.as_ref().unwrap().number);
    assert_eq!(at.endpoints.len(), 1);
    assert!(at.endpoints[0].in_use && at.endpoints[0].answers > 0, "{at:?}");
    assert!(at.jobs.is_empty());

    // Another process stands by: it says the same of what is committed, and nothing of what it does not know.
    let standby = rig.start(&stores);
    let mut other = standby.client(&rig, "operator");
    let theirs = eventually(rig::SOON, "the other one answers", async || {
        let asked = ListCheckpointsRequest { chain_id: rig::CHAIN.into() };
        let all = other.list_checkpoints(asked).await.ok()?.into_inner().checkpoints;
        all.into_iter().find(|at| at.state() == FollowState::StandingBy)
    })
    .await;
    assert_eq!(
        (&theirs.indexed, &theirs.head, theirs.finalized_block, theirs.last_reorg_time),
        (&at.indexed, &at.head, at.finalized_block, at.last_reorg_time)
    );
    assert_eq!((theirs.blocks_per_second, theirs.error.as_str(), theirs.live), (0.0, "", true));
    assert!(theirs.endpoints.is_empty(), "who asks nobody cannot tell who answers");

    // Who follows a chain on which nothing happens says so all the same; a row that nobody writes is no word about now.
    let old = "update indexer_checkpoints set updated_at = now() - interval '1 hour'";
    sqlx::query(old).execute(&stores.db.pool).await.unwrap();
    eventually(rig::SOON, "the head is written down without a commit", async || {
        let now = checkpoint(&mut other).await;
        assert_eq!(now.commit_time, at.commit_time, "a head is no commit");
        now.live.then_some(())
    })
    .await;
    standby.stop().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_cannot_be_begun_is_seen_and_who_loses_it_says_no_more_of_it() {
    let rig = Rig::new().await;
    rig.endpoint("http://127.0.0.1:1");
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let mut client = running.client(&rig, "operator");
    let look = async |client: &mut Client| {
        let all = client.list_checkpoints(ListCheckpointsRequest::default()).await.ok()?.into_inner();
        all.checkpoints.into_iter().next()
    };
    let at = eventually(rig::SOON, "why it cannot be begun is said", async || {
        look(&mut client).await.filter(|at| !at.error.is_empty())
    })
    .await;
    assert_eq!((at.state(), at.live, &at.indexed), (FollowState::Starting, false, &None), "{at:?}");
    assert_eq!(at.endpoints.len(), 1);
    eventually(rig::SOON, "the endpoint is said to be down", async || {
        let page = reqwest::get(format!("http://{}/metrics", running.ops)).await.ok()?.text().await.ok()?;
        let has = |line: &str| page.contains(line);
        (has("indexer_endpoint_up{chain=\"eip155:31337\",host=\"127.0.0.1\"} 0")
            && has("indexer_following{chain=\"eip155:31337\"} 1")
            && has("indexer_seconds_since_progress{chain=\"eip155:31337\"} "))
        .then_some(())
    })
    .await;

    let taken = "update leases set holder = gen_random_uuid(), epoch = epoch + 1,
                        expires_at = now() + interval '1 hour'";
    sqlx::query(taken).execute(&stores.db.pool).await.unwrap();
    let at = eventually(rig::SOON, "the chain is another one's", async || {
        look(&mut client).await.filter(|at| at.state() == FollowState::StandingBy)
    })
    .await;
    assert_eq!((at.error.as_str(), at.endpoints.len()), ("", 0), "{at:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_hears_what_is_then_each_change_and_the_end() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    rig.create(false, "Watched").await;
    stores.caught_up(&rig).await;
    let mut client = running.client(&rig, "gateway");
    let asked = WatchCheckpointsRequest { chain_id: rig::CHAIN.into() };
    let mut stream = client.watch_checkpoints(asked.clone()).await.unwrap().into_inner();
    let first = timeout(TOLD_WITHIN, stream.message()).await.unwrap().unwrap().unwrap().checkpoints;
    assert_eq!(first.len(), 1);

    rig.chain.mine(1).await;
    let head = rig.chain.head().await;
    let told = timeout(TOLD_WITHIN, async {
        loop {
            let now = stream.message().await.unwrap().unwrap().checkpoints.remove(0);
            if now.indexed.as_ref().is_some_and(|block| block.number == head) {
                return now;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(told.chain_id, rig::CHAIN);

    // Nobody is told of another chain's silence.
    let elsewhere = WatchCheckpointsRequest { chain_id: "eip155:1".into() };
    let mut other = client.watch_checkpoints(elsewhere).await.unwrap().into_inner();
    let empty = timeout(TOLD_WITHIN, other.message()).await.unwrap().unwrap().unwrap();
    assert!(empty.checkpoints.is_empty());
    let wrong = WatchCheckpointsRequest { chain_id: "eip155:x".into() };
    let refused = client.watch_checkpoints(wrong).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);

    // Nor is silence told where it is not known what is.
    let rename = async |from: &str, to: &str| {
        let sql = format!("alter table {from} rename to {to}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&stores.db.pool).await.unwrap();
    };
    rename("indexer_checkpoints", "away").await;
    let told = timeout(TOLD_WITHIN, async {
        while stream.message().await?.is_some() {}
        Ok(())
    });
    let told: Result<(), tonic::Status> = told.await.unwrap();
    assert_eq!(told.unwrap_err().code(), tonic::Code::Unavailable);
    rename("away", "indexer_checkpoints").await;

    let mut again = client.watch_checkpoints(asked).await.unwrap().into_inner();
    let first = timeout(TOLD_WITHIN, again.message()).await.unwrap().unwrap().unwrap().checkpoints;
    assert_eq!(first.len(), 1, "who comes again hears what is");
    let ends = async {
        while again.message().await?.is_some() {}
        Ok(())
    };
    let (end, ()) = tokio::join!(timeout(ENDS_WITHIN, ends), running.stop());
    let end: Result<(), tonic::Status> = end.expect("the stream ends before it is cut off");
    assert!(end.is_ok(), "and it ends well: {end:?}");
}

async fn page(client: &mut Client, asked: &ListRawEventsRequest) -> (Vec<RawEvent>, String) {
    let page = client.list_raw_events(asked.clone()).await.unwrap().into_inner();
    (page.events, page.next_page_token)
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_events_of_a_range_come_in_the_order_of_the_chain_page_by_page() {
    let rig = Rig::new().await;
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Listed").await;
    rig.mint(collection, 3).await;
    let dropped = rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    rig.chain.rpc("anvil_reorg", json!([1, []])).await;
    stores.caught_up(&rig).await;
    let mut client = running.client(&rig, "operator");
    let all = ListRawEventsRequest {
        chain_id: rig::CHAIN.into(),
        to_block: rig.chain.head().await,
        contract: format!("{collection:#x}"),
        event_type: "Transfer".into(),
        page_size: 500,
        ..Default::default()
    };
    let (whole, end) = page(&mut client, &all).await;
    assert_eq!((whole.len(), end.as_str()), (3, ""), "{whole:?}");
    assert!(whole.iter().all(|event| event.canonical && !event.tx_from.is_empty() && event.generation == 1));
    let place = |event: &RawEvent| (event.block.as_ref().unwrap().number, event.log_index);
    assert!(whole.is_sorted_by_key(place));
    let first = &whole[0];
    let block = first.block.as_ref().unwrap();
    assert_eq!(
        first.event_id,
        format!("{}/{}/{}/{}/0", rig::CHAIN, block.hash, first.tx_hash, first.log_index)
    );
    assert!(["latest", "safe", "finalized"].contains(&first.finality.as_str()), "{first:?}");

    // With what was taken back, in pages of two.
    let mut paged = Vec::new();
    let mut asked = ListRawEventsRequest { include_removed: true, page_size: 2, ..all.clone() };
    loop {
        let (events, next) = page(&mut client, &asked).await;
        assert!(events.len() <= 2);
        paged.extend(events);
        if next.is_empty() {
            break;
        }
        asked.page_token = next;
    }
    assert_eq!(paged.len(), 5);
    let gone: Vec<&RawEvent> = paged.iter().filter(|event| !event.canonical).collect();
    assert_eq!(gone.len(), 2);
    assert!(
        gone.iter().all(|event| event.tx_hash == dropped["transactionHash"] && event.finality.is_empty())
    );

    for (field, wrong) in [
        ("page_size", ListRawEventsRequest { page_size: 501, ..all.clone() }),
        ("to_block", ListRawEventsRequest { to_block: 10_001, ..all.clone() }),
        ("page_token", ListRawEventsRequest { page_token: "7".into(), ..all.clone() }),
        ("contract", ListRawEventsRequest { contract: "0x7".into(), ..all.clone() }),
    ] {
        let refused = client.list_raw_events(wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{field}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_and_metrics_tell_of_progress_and_of_a_halt() {
    let rig = Rig::new().await;
    rig.register(&[("factory", rig.deployed.factory, rig.deployed.block)], 1);
    let stores = rig.stores().await;
    let running = rig.start(&stores);
    let collection = rig.create(false, "Measured").await;
    rig.mint(collection, 2).await;
    stores.caught_up(&rig).await;
    let ask = async |path: &str| {
        let url = format!("http://{}/{path}", running.ops);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    };
    let lines = [
        "indexer_enabled_chains 1",
        "indexer_reorgs_total{chain=\"eip155:31337\"} ",
        "indexer_deep_reorgs_total{chain=\"eip155:31337\"} ",
        "indexer_following{chain=\"eip155:31337\"} 1",
        "indexer_head_lag_blocks{chain=\"eip155:31337\"} 0",
        "indexer_head_lag_seconds{chain=\"eip155:31337\"} 0",
        "indexer_halted{chain=\"eip155:31337\"} 0",
        "indexer_endpoint_up{chain=\"eip155:31337\",host=\"127.0.0.1\"} 1",
        "indexer_seconds_since_progress{chain=\"eip155:31337\"} ",
        "indexer_seconds_since_head_moved{chain=\"eip155:31337\"} ",
        "indexer_events_total{chain=\"eip155:31337\",kind=\"minted\"} ",
        "indexer_blocks_total{chain=\"eip155:31337\"} ",
        "indexer_commit_seconds_count{chain=\"eip155:31337\"} ",
        "indexer_block_to_commit_seconds_count{chain=\"eip155:31337\"} ",
    ];
    eventually(rig::SOON, "the metrics tell of all", async || {
        let metrics = ask("metrics").await;
        lines.iter().all(|line| metrics.contains(line)).then_some(())
    })
    .await;
    let ready = ask("ready").await;
    for word in ["following", "lag_blocks", "seconds_since_progress", "head_stands_still"] {
        assert!(ready.contains(word), "{word} in {ready}");
    }

    rig.chain.mine(40).await;
    stores.caught_up(&rig).await;
    let mut client = running.client(&rig, "operator");
    let before = checkpoint(&mut client).await;
    rig.chain.rpc("anvil_reorg", json!([30, []])).await;
    rig.chain.mine(1).await;
    eventually(rig::SOON, "the halt is said", async || {
        let ready = ask("ready").await;
        ready.contains("eip155:31337: halted").then_some(())
    })
    .await;
    eventually(rig::SOON, "the metrics tell of the halt", async || {
        ask("metrics").await.contains("indexer_halted{chain=\"eip155:31337\"} 1").then_some(())
    })
    .await;
    let at = checkpoint(&mut client).await;
    assert!(at.halted && !at.live && !at.halted_reason.is_empty(), "{at:?}");
    assert_eq!((&at.commit_time, &at.indexed), (&before.commit_time, &before.indexed), "a halt is no commit");
    assert_eq!(at.state(), FollowState::Halted);
    running.stop().await;
}
