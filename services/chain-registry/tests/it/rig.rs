//! A running chain-registry.

use std::{net::TcpListener, path::PathBuf};

use proto::chainregistry::v1::{
    Chain, Contract, Endpoint, GasPolicy, UpsertChainRequest, UpsertContractRequest,
    chain_registry_service_client::ChainRegistryServiceClient,
};
use rpc::{Channel, Identity};
use testkit::{Certs, TestDb};
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const CHAIN: &str = "eip155:31337";
pub(crate) const SECRET: &str = "k3y-of-the-endpoint";
pub(crate) const FACTORY: &str = "0x00000000000000000000000000000000000fac70";

pub(crate) struct Rig {
    pub(crate) db: TestDb,
    pub(crate) redis: String,
    certs: Certs,
    url: Url,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        let redis = testkit::redis().await;
        Rig::start_with(testkit::database(&chain_registry::MIGRATOR).await, redis, None).await
    }

    pub(crate) async fn start_with(db: TestDb, redis: String, seed: Option<PathBuf>) -> Rig {
        let certs = testkit::certs();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let process = testkit::process("chain-registry");
        let stop = process.stopping();
        let config = chain_registry::Config {
            process: launch::Settings {
                ops_addr: "127.0.0.1:0".parse().unwrap(),
                log: "info".into(),
                drain_secs: 0,
                stop_secs: 5,
                otlp_url: None,
            },
            grpc: certs.settings_for("chain-registry"),
            database_url: db.url.as_str().into(),
            database_pool: 8,
            redis_url: redis.as_str().into(),
            seed,
        };
        let ended = tokio::spawn(chain_registry::serve(listener.into(), config, process));
        Rig { db, redis, certs, url, stop, ended }
    }

    pub(crate) fn client(&self, name: &str) -> ChainRegistryServiceClient<Channel> {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        ChainRegistryServiceClient::new(rpc::channel("chain-registry", &self.url, &identity).unwrap())
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db.pool).await.unwrap()
    }

    pub(crate) async fn end(self) -> TestDb {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
        self.db
    }
}

/// A chain with two endpoints, one of them switched off; `stamp` is in each of its parts.
pub(crate) fn chain(stamp: u32) -> UpsertChainRequest {
    let endpoint = |url: String, active| Endpoint {
        url,
        priority: 0,
        weight: 1,
        auth_type: "url".into(),
        rate_limit: stamp.cast_signed(),
        active,
    };
    let chain = Chain {
        chain_id: CHAIN.into(),
        chain_numeric: 31337,
        name: "Anvil".into(),
        native_symbol: "ETH".into(),
        decimals: 18,
        enabled: true,
        confirmations: stamp,
        reorg_depth: 64,
        gas_policy: Some(GasPolicy {
            max_fee_gwei: stamp.to_string(),
            priority_fee_gwei: "1.5".into(),
            multiplier: "2".into(),
            ..GasPolicy::default()
        }),
        ..Chain::default()
    };
    let endpoints = vec![
        endpoint(format!("http://127.0.0.1:8545/{SECRET}"), true),
        endpoint("http://127.0.0.1:8546/".into(), false),
    ];
    UpsertChainRequest { chain: Some(chain), endpoints }
}

pub(crate) fn contract(impl_address: &str) -> UpsertContractRequest {
    let contract = Contract {
        name: "erc721_erc1155_factory".into(),
        address: FACTORY.into(),
        start_block: 7,
        standard: "factory".into(),
        impl_address: impl_address.into(),
    };
    UpsertContractRequest { chain_id: CHAIN.into(), contract: Some(contract), abi_json: "[]".into() }
}
