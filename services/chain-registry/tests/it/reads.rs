//! What services are told.

use proto::chainregistry::v1::{GetChainRequest, ListChainsRequest, ListEndpointsRequest};
use rpc::{Code, Problem};

use crate::rig::{CHAIN, FACTORY, Rig, SECRET, chain, contract};

fn get(chain_id: &str) -> GetChainRequest {
    GetChainRequest { chain_id: chain_id.into() }
}

fn endpoints() -> ListEndpointsRequest {
    ListEndpointsRequest { chain_id: CHAIN.into() }
}

#[tokio::test]
async fn a_chain_is_read_as_it_was_written_and_endpoints_go_to_who_dials() {
    let rig = Rig::start().await;
    let (mut operator, mut orchestrator, mut indexer) =
        (rig.client("operator"), rig.client("orchestrator"), rig.client("indexer"));
    operator.upsert_chain(chain(3)).await.unwrap();
    operator.upsert_contract(contract("")).await.unwrap();
    let read = orchestrator.get_chain(get(CHAIN)).await.unwrap().into_inner().chain.unwrap();
    assert_eq!((read.confirmations, read.version, read.contracts.len()), (3, 2, 1));
    assert_eq!((read.contracts[0].address.as_str(), read.contracts[0].start_block), (FACTORY, 7));
    let policy = read.gas_policy.unwrap();
    assert_eq!((policy.max_fee_gwei.as_str(), policy.priority_fee_gwei.as_str()), ("3", "1.5"));

    let listed = indexer.list_endpoints(endpoints()).await.unwrap().into_inner();
    assert_eq!((listed.endpoints.len(), listed.version), (1, 2));
    assert!(listed.endpoints[0].url.contains(SECRET));
    let status = rig.client("gateway").list_endpoints(endpoints()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);

    let problem = Problem::from(&orchestrator.get_chain(get("eip155:5")).await.unwrap_err());
    assert_eq!((problem.code, problem.reason.as_str()), (Code::NotFound, "NOT_FOUND"));
    let problem = Problem::from(&orchestrator.get_chain(get("5")).await.unwrap_err());
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
        let mut client = rig.client("auth");
        client.list_chains(ListChainsRequest { include_disabled }).await.unwrap().into_inner().chains.len()
    };
    assert_eq!((list(false).await, list(true).await), (0, 1));
    rig.end().await;
}

#[tokio::test]
async fn another_process_takes_a_version_from_the_cache_and_no_secret_is_in_it() {
    let rig = Rig::start().await;
    rig.client("operator").upsert_chain(chain(3)).await.unwrap();
    rig.client("orchestrator").get_chain(get(CHAIN)).await.unwrap();
    let redis = rig.redis.clone();
    let client = redis::Client::open(redis.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("cache:chains:{CHAIN}:1");
    let cached: String = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
    assert!(!cached.contains(SECRET) && !cached.contains("8545"));
    let changed = cached.replace("Anvil", "Cached");
    let () = redis::cmd("SET").arg(&key).arg(changed).query_async(&mut connection).await.unwrap();

    let db = rig.end().await;
    let second = Rig::start_with(db, redis, None).await;
    let name = async || {
        second.client("orchestrator").get_chain(get(CHAIN)).await.unwrap().into_inner().chain.unwrap().name
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
    assert!(rig.client("orchestrator").get_chain(get(CHAIN)).await.is_ok());
    rig.end().await;
}

#[tokio::test]
async fn readers_see_whole_versions_while_a_writer_writes() {
    let rig = Rig::start().await;
    let mut operator = rig.client("operator");
    operator.upsert_chain(chain(1)).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (mut orchestrator, mut indexer) = (rig.client("orchestrator"), rig.client("indexer"));
            let stop = stop.clone();
            tokio::spawn(async move {
                let (mut seen, mut last) = (0, 0);
                while !stop.is_cancelled() || seen == 0 {
                    let chain = orchestrator.get_chain(get(CHAIN)).await.unwrap().into_inner().chain.unwrap();
                    // The stamp of the writer is in the chain and in its gas policy, and each write is one version.
                    assert_eq!(chain.gas_policy.unwrap().max_fee_gwei, chain.confirmations.to_string());
                    assert_eq!(u64::from(chain.confirmations), chain.version);
                    assert!(chain.version >= last, "versions never go back");
                    last = chain.version;
                    let listed = indexer.list_endpoints(endpoints()).await.unwrap().into_inner();
                    assert_eq!(u64::from(listed.endpoints[0].rate_limit.unsigned_abs()), listed.version);
                    seen += 1;
                }
                seen
            })
        })
        .collect();
    for stamp in 2..=100 {
        operator.upsert_chain(chain(stamp)).await.unwrap();
    }
    stop.cancel();
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(rig.count("select count(*) from audit").await, 100);
    rig.end().await;
}
