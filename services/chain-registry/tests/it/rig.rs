//! A running chain-registry.

use std::{net::TcpListener, path::PathBuf, sync::Arc};

use proto::{
    chainregistry::v1::{
        Chain, Contract, Endpoint, GasPolicy, UpsertChainRequest, UpsertContractRequest,
        chain_registry_service_client::ChainRegistryServiceClient,
    },
    common::v1::Caller,
};
use rpc::{Channel, Identity};
use testkit::{Certs, TestDb};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const CHAIN: &str = "eip155:31337";
pub(crate) const SECRET: &str = "k3y-of-the-endpoint";
pub(crate) const FACTORY: &str = "0x00000000000000000000000000000000000fac70";
const BUCKET: &str = "abi-blobs-tests";

pub(crate) type Client = ChainRegistryServiceClient<Channel>;

pub(crate) struct Rig {
    pub(crate) db: TestDb,
    pub(crate) redis: String,
    certs: Arc<Certs>,
    process: Process,
}

/// One of the processes that share a database.
pub(crate) struct Process {
    url: Url,
    certs: Arc<Certs>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        let redis = testkit::redis().await;
        Rig::start_with(testkit::database(&chain_registry::MIGRATOR).await, redis, None).await
    }

    pub(crate) async fn start_with(db: TestDb, redis: String, seed: Option<PathBuf>) -> Rig {
        let certs = Arc::new(testkit::certs());
        let process = Process::start(&db, &redis, &certs, |config| config.seed = seed);
        Rig { db, redis, certs, process }
    }

    /// Another process on the same stores.
    pub(crate) fn beside(&self, change: impl FnOnce(&mut chain_registry::Config)) -> Process {
        Process::start(&self.db, &self.redis, &self.certs, change)
    }

    pub(crate) fn client(&self, name: &str) -> Client {
        self.process.client(name)
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db.pool).await.unwrap()
    }

    pub(crate) async fn end(self) -> TestDb {
        self.process.end().await;
        self.db
    }
}

impl Process {
    fn start(
        db: &TestDb,
        redis: &str,
        certs: &Arc<Certs>,
        change: impl FnOnce(&mut chain_registry::Config),
    ) -> Process {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let process = testkit::process("chain-registry");
        let stop = process.stopping();
        let mut config = chain_registry::Config {
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
            redis_url: redis.into(),
            s3: chain_registry::Bucket {
                endpoint: variable("VITRINE_TEST_S3").parse().unwrap(),
                region: "us-east-1".into(),
                access_key: variable("VITRINE_TEST_S3_KEY"),
                secret_key: variable("VITRINE_TEST_S3_SECRET").into(),
                bucket: BUCKET.into(),
            },
            watchers: 4,
            seed: None,
        };
        change(&mut config);
        let ended = tokio::spawn(chain_registry::serve(listener.into(), config, process));
        Process { url, certs: Arc::clone(certs), stop, ended }
    }

    pub(crate) fn client(&self, name: &str) -> Client {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        ChainRegistryServiceClient::new(rpc::channel("chain-registry", &self.url, &identity).unwrap())
            .max_decoding_message_size(8 << 20)
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Makes the bucket once; a presigned PUT of nothing at the bucket's own URL is how S3 does it.
pub(crate) async fn bucket() {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(async || {
        let status = put_object("", "").await;
        assert!(status.is_success() || status == 409, "{status}");
    })
    .await;
}

/// Puts an object behind the service's back.
pub(crate) async fn put_object(key: &str, text: &str) -> reqwest::StatusCode {
    use object_store::{aws::AmazonS3Builder, path::Path, signer::Signer};
    let store = AmazonS3Builder::new()
        .with_endpoint(variable("VITRINE_TEST_S3"))
        .with_region("us-east-1")
        .with_bucket_name(BUCKET)
        .with_access_key_id(variable("VITRINE_TEST_S3_KEY"))
        .with_secret_access_key(variable("VITRINE_TEST_S3_SECRET"))
        .with_allow_http(true)
        .build()
        .unwrap();
    let minute = std::time::Duration::from_secs(60);
    let url = store.signed_url(reqwest::Method::PUT, &Path::from(key), minute).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.put(url).body(text.to_owned()).send().await.unwrap().status()
}

pub(crate) fn admin() -> Caller {
    Caller { user_id: "somebody".into(), roles: vec!["admin".into()], ..Caller::default() }
}

pub(crate) fn endpoint(url: impl Into<String>, rate_limit: u32, active: bool) -> Endpoint {
    Endpoint {
        url: url.into(),
        priority: 0,
        weight: 1,
        auth_type: "url".into(),
        rate_limit: rate_limit.cast_signed(),
        active,
    }
}

pub(crate) fn policy(max_fee: &str, priority_fee: &str, multiplier: &str) -> GasPolicy {
    GasPolicy {
        max_fee_gwei: max_fee.into(),
        priority_fee_gwei: priority_fee.into(),
        multiplier: multiplier.into(),
        ..GasPolicy::default()
    }
}

/// A chain with two endpoints, one of them switched off; `stamp` is in each of its parts.
pub(crate) fn chain(stamp: u32) -> UpsertChainRequest {
    let chain = Chain {
        chain_id: CHAIN.into(),
        chain_numeric: 31337,
        name: "Anvil".into(),
        native_symbol: "ETH".into(),
        decimals: 18,
        enabled: true,
        confirmations: stamp,
        reorg_depth: 64,
        gas_policy: Some(policy(&stamp.to_string(), "1.5", "2")),
        ..Chain::default()
    };
    let endpoints = vec![
        endpoint(format!("http://127.0.0.1:8545/{SECRET}"), stamp, true),
        endpoint("http://127.0.0.1:8546/", stamp, false),
    ];
    UpsertChainRequest { chain: Some(chain), endpoints }
}

/// The same chain where it really answers.
pub(crate) fn live_chain(url: &str) -> UpsertChainRequest {
    let mut request = chain(1);
    request.endpoints = vec![endpoint(url, 0, true)];
    request
}

pub(crate) fn contract(impl_address: &str) -> UpsertContractRequest {
    let contract = Contract {
        name: "erc721_erc1155_factory".into(),
        address: FACTORY.into(),
        start_block: 7,
        standard: "factory".into(),
        impl_address: impl_address.into(),
        ..Contract::default()
    };
    UpsertContractRequest {
        chain_id: CHAIN.into(),
        contract: Some(contract),
        abi_json: "[]".into(),
        ..UpsertContractRequest::default()
    }
}
