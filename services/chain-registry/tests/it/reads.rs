//! What services are told.

use proto::chainregistry::v1::{
    GetChainRequest, GetSnapshotRequest, ListChainsRequest, ListEndpointsRequest, WatchSnapshotRequest,
};
use rpc::{Code, Problem};

use crate::rig::{CHAIN, FACTORY, Rig, SECRET, chain, contract};

fn get(chain_id: &str) -> GetChainRequest {
    GetChainRequest { chain_id: chain_id.into() }
}

#[tokio::test]
async fn a_chain_is_read_as_it_was_written_and_endpoints_go_to_who_dials() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(3)).await.unwrap();
    operator.upsert_contract(contract("")).await.unwrap();
    let read = operator.get_chain(get(CHAIN)).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((read.confirmations, read.version, read.contracts.len()), (3, 2, 1));
    assert_eq!((read.contracts[0].address.as_str(), read.contracts[0].start_block), (FACTORY, 7));
    let policy = read.gas_policy.unwrap();
    assert_eq!((policy.max_fee_gwei.as_str(), policy.priority_fee_gwei.as_str()), ("3", "1.5"));

    let snapshot = operator.get_snapshot(GetSnapshotRequest {}).await.unwrap().into_inner();
    let endpoints = &snapshot.chains[0].endpoints;
    assert_eq!((endpoints.len(), snapshot.version), (1, 2), "what is switched off is nobody's to dial");
    assert!(endpoints[0].url.contains(SECRET));
    let status = rig.client("gateway").get_snapshot(GetSnapshotRequest {}).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let status = rig.client("gateway").watch_snapshot(WatchSnapshotRequest {}).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);

    let problem = Problem::from(&operator.get_chain(get("eip155:5")).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::NotFound, "NOT_FOUND"));
    let problem = Problem::from(&operator.get_chain(get("5")).await.unwrap_err());
    assert_eq!(problem.violations[0].path, "chain_id");
    rig.end().await;
}

#[tokio::test]
async fn a_disabled_chain_is_listed_only_for_who_asks_for_it() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    let mut disabled = chain(3);
    disabled.chain.as_mut().unwrap().enabled = false;
    operator.upsert_chain(disabled).await.unwrap();
    let list = async |include_disabled| {
        let mut client = rig.client("gateway");
        let listed = client.list_chains(ListChainsRequest { include_disabled }).await.unwrap().into_inner();
        listed.chains.iter().any(|chain| chain.chain_id == CHAIN)
    };
    assert_eq!((list(false).await, list(true).await), (false, true));
    rig.end().await;
}

#[tokio::test]
async fn another_process_takes_a_version_from_the_cache_and_no_secret_is_in_it() {
    let rig = Rig::start().await;
    rig.client("operator").upsert_chain(chain(3)).await.unwrap();
    rig.client("operator").get_chain(get(CHAIN)).await.unwrap();
    let redis = rig.redis.clone();
    let client = redis::Client::open(redis.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let stamp = "select (extract(epoch from updated_at) * 1000000)::bigint from registry_version";
    let key = format!("cache:chains:{CHAIN}:1:{}", rig.count(stamp).await);
    let cached: String = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
    assert!(!cached.contains(SECRET) && !cached.contains("8545"));
    let changed = cached.replace("Anvil", "Cached");
    let () = redis::cmd("SET").arg(&key).arg(changed).query_async(&mut connection).await.unwrap();

    let db = rig.end().await;
    let second = Rig::start_with(db, redis, None).await;
    let name = async || {
        second.client("operator").get_chain(get(CHAIN)).await.unwrap().into_inner().chain.unwrap().name
    };
    assert_eq!(name().await, "Cached", "the cache was read");
    // The next version is another key.
    second.client("operator").upsert_chain(chain(4)).await.unwrap();
    assert_eq!(name().await, "Anvil");
    second.end().await;
}

#[tokio::test]
async fn without_redis_everything_works() {
    let db = testkit::database(&chain_registry::MIGRATOR).await;
    let rig = Rig::start_with(db, "redis://127.0.0.1:1".into(), None).await;
    rig.client("operator").upsert_chain(chain(3)).await.unwrap();
    assert!(rig.client("operator").get_chain(get(CHAIN)).await.is_ok());
    rig.end().await;
}

/// So many writes are seen by so many readers; `VITRINE_WRITES=1000` is the long way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_versions_while_a_writer_writes() {
    const READERS: usize = 50;
    let writes = std::env::var("VITRINE_WRITES").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(1)).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let clients: Vec<_> = (0..4).map(|_| rig.client("operator")).collect();
    let readers: Vec<_> = (0..READERS)
        .map(|n| {
            let (mut client, stop) = (clients[n % clients.len()].clone(), stop.clone());
            tokio::spawn(async move {
                let (mut seen, mut last) = (0, 0);
                // Fifty who ask as fast as they can leave a small machine no time to write.
                let mut turn = tokio::time::interval(std::time::Duration::from_millis(50));
                turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                while !stop.is_cancelled() || seen == 0 {
                    turn.tick().await;
                    let read = client.get_snapshot(GetSnapshotRequest {}).await.unwrap().into_inner();
                    let [dialled] = read.chains.as_slice() else { panic!("one chain") };
                    let chain = dialled.chain.as_ref().unwrap();
                    // The stamp of the writer is in each part of the chain, and each write is one version.
                    let stamp = u64::from(chain.confirmations);
                    let policy = chain.gas_policy.as_ref().unwrap();
                    assert_eq!((stamp, chain.version), (read.version, read.version));
                    assert_eq!(policy.max_fee_gwei, stamp.to_string());
                    assert_eq!(dialled.endpoints.len(), 1);
                    assert_eq!(u64::from(dialled.endpoints[0].rate_limit.unsigned_abs()), stamp);
                    assert!(read.version >= last, "versions never go back");
                    last = read.version;
                    seen += 1;
                }
                seen
            })
        })
        .collect();
    for stamp in 2..=writes {
        operator.upsert_chain(chain(stamp)).await.unwrap();
    }
    stop.cancel();
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(rig.count("select count(*) from audit").await, i64::from(writes));
    rig.end().await;
}

#[tokio::test]
async fn endpoints_alone_are_for_nobody_now_that_who_dials_reads_snapshots() {
    let rig = Rig::start().await;
    rig.client("operator").upsert_chain(chain(3)).await.unwrap();
    for name in ["operator", "gateway", "auth", "indexer", "media", "orchestrator"] {
        let ask = ListEndpointsRequest { chain_id: CHAIN.into() };
        let status = rig.client(name).list_endpoints(ask).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{name}");
    }
    rig.end().await;
}
