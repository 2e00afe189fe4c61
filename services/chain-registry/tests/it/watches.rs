//! Streams of snapshots: whoever writes, everybody who watches is told.

use std::time::Duration;

use proto::chainregistry::v1::{BumpVersionRequest, WatchSnapshotRequest, WatchSnapshotResponse};
use rpc::{Code, Problem};
use testkit::eventually;

use crate::rig::{Client, Rig, chain, endpoint};

const SOON: Duration = Duration::from_secs(10);

async fn watch(client: &mut Client) -> tonic::Streaming<WatchSnapshotResponse> {
    client.watch_snapshot(WatchSnapshotRequest {}).await.unwrap().into_inner()
}

/// The next message that is of this version or of a later one.
async fn told(stream: &mut tonic::Streaming<WatchSnapshotResponse>, version: u64) -> WatchSnapshotResponse {
    eventually(SOON, "a message of the new version", async || {
        let message = stream.message().await.unwrap().unwrap();
        (message.version >= version).then_some(message)
    })
    .await
}

#[tokio::test]
async fn a_watcher_is_told_what_is_and_what_another_process_writes() {
    let rig = Rig::start().await;
    let other = rig.beside(|_| ());
    let (mut operator, mut elsewhere) = (rig.client("operator"), other.client("operator"));
    operator.upsert_chain(chain(1)).await.unwrap();
    let (mut auth, mut media) = (rig.client("auth"), other.client("media"));
    let (mut here, mut there) = (watch(&mut auth).await, watch(&mut media).await);
    for stream in [&mut here, &mut there] {
        let first = stream.message().await.unwrap().unwrap();
        let stamp = first.chains[0].chain.as_ref().unwrap().confirmations;
        assert_eq!((first.version, stamp), (1, 1), "the first message needs no write");
    }
    for (stamp, writer) in [(2, &mut operator), (3, &mut elsewhere)] {
        writer.upsert_chain(chain(stamp)).await.unwrap();
        for stream in [&mut here, &mut there] {
            let message = told(stream, u64::from(stamp)).await;
            let chain = message.chains[0].chain.as_ref().unwrap();
            assert_eq!((message.version, chain.confirmations), (u64::from(stamp), stamp));
            assert_eq!(message.chains[0].endpoints.len(), 1, "active ones only");
        }
    }
    // A change of endpoints alone is one too.
    let set = proto::chainregistry::v1::SetEndpointsRequest {
        chain_id: crate::rig::CHAIN.into(),
        endpoints: vec![endpoint("http://127.0.0.1:7/", 0, true)],
        expected_version: 0,
    };
    elsewhere.set_endpoints(set).await.unwrap();
    assert_eq!(told(&mut here, 4).await.chains[0].endpoints[0].url, "http://127.0.0.1:7/");
    other.end().await;
    rig.end().await;
}

#[tokio::test]
async fn a_word_that_is_lost_delays_and_loses_nothing() {
    let rig = Rig::start().await;
    let other = rig.beside(|_| ());
    let mut media = other.client("media");
    let mut stream = watch(&mut media).await;
    assert_eq!(told(&mut stream, 0).await.version, 0);
    sqlx::query("alter table registry_version disable trigger registry_version_told")
        .execute(&rig.db.pool)
        .await
        .unwrap();
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(1)).await.unwrap();
    assert_eq!(told(&mut stream, 1).await.chains.len(), 1);

    // The connection that listens is cut, and a new one hears again.
    sqlx::query("alter table registry_version enable trigger registry_version_told")
        .execute(&rig.db.pool)
        .await
        .unwrap();
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and query ilike 'listen%'",
    )
    .execute(&rig.db.pool)
    .await
    .unwrap();
    operator.bump_version(BumpVersionRequest {}).await.unwrap();
    assert_eq!(told(&mut stream, 2).await.version, 2);
    other.end().await;
    rig.end().await;
}

#[tokio::test]
async fn a_slow_reader_is_told_of_the_newest_and_never_of_an_older_one() {
    let rig = Rig::start().await;
    let mut auth = rig.client("auth");
    let mut stream = watch(&mut auth).await;
    let mut operator = rig.client("operator");
    for stamp in 1..=30 {
        operator.upsert_chain(chain(stamp)).await.unwrap();
    }
    let (mut last, mut messages) = (None, 0);
    while last != Some(30) {
        let message = stream.message().await.unwrap().unwrap();
        assert!(last < Some(message.version));
        (last, messages) = (Some(message.version), messages + 1);
    }
    assert!(messages <= 31);
    rig.end().await;
}

#[tokio::test]
async fn there_is_room_for_so_many_and_a_process_that_stops_ends_them() {
    let rig = Rig::start().await;
    let mut client = rig.client("auth");
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(watch(&mut client).await);
    }
    let problem = Problem::from(&client.watch_snapshot(WatchSnapshotRequest {}).await.unwrap_err());
    assert_eq!(problem.code, Code::RateLimited);
    drop(streams.pop());
    let last = eventually(SOON, "the place of one who left is free", async || {
        client.watch_snapshot(WatchSnapshotRequest {}).await.ok()
    })
    .await;
    streams.push(last.into_inner());
    rig.end().await;
    for mut stream in streams {
        while let Ok(Some(_)) = stream.message().await {}
    }
}

#[tokio::test]
async fn a_database_that_is_restored_is_told_of_and_never_served_in_parts() {
    let rig = Rig::start().await;
    let (mut operator, mut auth) = (rig.client("operator"), rig.client("auth"));
    for stamp in 1..=3 {
        operator.upsert_chain(chain(stamp)).await.unwrap();
    }
    let mut stream = watch(&mut auth).await;
    assert_eq!(told(&mut stream, 3).await.version, 3);
    // As a backup of the second version has it, in which that was another one.
    let restore = async |stamp: i32, version: i64| {
        let mut tx = rig.db.pool.begin().await.unwrap();
        for statement in [
            "delete from audit where version > $2 and $1 > 0",
            "update chains set confirmations = $1 where $2 > 0",
            "update chain_gas_policy set max_fee_gwei = $1 where $2 > 0",
            "update registry_version set version = $2, updated_at = now() where $1 > 0",
        ] {
            sqlx::query(statement).bind(stamp).bind(version).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    };
    let parts = |dialled: &proto::chainregistry::v1::DialledChain| {
        let chain = dialled.chain.as_ref().unwrap();
        (chain.version, chain.confirmations, chain.gas_policy.as_ref().unwrap().max_fee_gwei.clone())
    };
    // The same number twice, with other contents: what is cached of the first is not what the second is.
    for stamp in [77, 78] {
        restore(stamp, 2).await;
        let message = eventually(SOON, "a message of what was restored", async || {
            let message = stream.message().await.unwrap().unwrap();
            (message.version == 2).then_some(message)
        })
        .await;
        let expected = (2, stamp.unsigned_abs(), stamp.to_string());
        assert_eq!(parts(&message.chains[0]), expected);
        let get = proto::chainregistry::v1::GetSnapshotRequest {};
        let read = operator.get_snapshot(get).await.unwrap().into_inner();
        assert_eq!((read.version, parts(&read.chains[0])), (2, expected));
    }
    // And life goes on from there.
    operator.upsert_chain(chain(3)).await.unwrap();
    let message = told(&mut stream, 3).await;
    assert_eq!(parts(&message.chains[0]), (3, 3, "3".to_owned()));
    rig.end().await;
}

#[tokio::test]
async fn a_database_that_falls_silent_blocks_nobody_for_long_and_ends_the_streams() {
    let rig = Rig::start().await;
    let at: url::Url = rig.db.url.parse().unwrap();
    let target = format!("{}:{}", at.host_str().unwrap(), at.port().unwrap());
    let proxy = testkit::Proxy::to(&target).await;
    let behind = rig.beside(|config| config.database_url = proxy.url(&rig.db.url).as_str().into());
    let (mut operator, mut auth) = (behind.client("operator"), behind.client("auth"));
    operator.upsert_chain(chain(1)).await.unwrap();
    let mut stream = watch(&mut auth).await;
    assert_eq!(told(&mut stream, 1).await.version, 1);

    proxy.set(testkit::Fault::Stall);
    let get = || proto::chainregistry::v1::GetSnapshotRequest {};
    // Some are answered by what was read a moment ago; the others are told so, in the time of one renewal or two.
    while operator.get_snapshot(get()).await.is_ok() {}
    let asked = (0..50).map(|_| {
        let mut operator = operator.clone();
        async move { operator.get_snapshot(get()).await }
    });
    for answer in futures::future::join_all(asked).await {
        assert_eq!(Problem::from(&answer.unwrap_err()).code, Code::Unavailable);
    }
    let ended = tokio::time::timeout(SOON * 3, async { while let Ok(Some(_)) = stream.message().await {} });
    ended.await.expect("who watches is not left in the belief that nothing changes");

    rig.client("operator").upsert_chain(chain(2)).await.unwrap();
    proxy.set(testkit::Fault::Pass);
    let mut stream = eventually(SOON * 3, "a stream again", async || {
        auth.watch_snapshot(WatchSnapshotRequest {}).await.ok()
    })
    .await
    .into_inner();
    assert_eq!(told(&mut stream, 2).await.version, 2);
    rig.client("operator").upsert_chain(chain(3)).await.unwrap();
    assert_eq!(told(&mut stream, 3).await.version, 3);
    behind.end().await;
    rig.end().await;
}
