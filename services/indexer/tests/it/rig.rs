//! An anvil, a registry that names it, and an indexer that can be stopped, killed and begun anew.

use std::{
    collections::{BTreeMap, HashMap},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use abi::launchpad::{self, CreateParams, Stage, VitrineERC721, VitrineERC1155, VitrineFactory};
use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolCall,
};
use indexer::{Config, Follow, Peers};
use proto::{chainregistry::v1 as registry, indexer::v1::indexer_service_client::IndexerServiceClient};
use serde_json::{Value, json};
use sqlx::Row;
use testkit::{Certs, Chain, Deployed, Registry, RegistryDoor, TestDb, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const CHAIN: &str = "eip155:31337";
/// Nobody listens there: what is told stays in the outbox, where the tests read it.
const NO_BROKER: &str = "amqp://guest:guest@127.0.0.1:1/none";

/// A chain with a factory, and a registry that tells of both.
pub(crate) struct Rig {
    pub(crate) chain: Chain,
    pub(crate) deployed: Deployed,
    pub(crate) certs: Certs,
    registry: Registry,
    door: RegistryDoor,
}

impl Rig {
    pub(crate) async fn new() -> Rig {
        let chain = testkit::chain().await;
        let deployed = chain.deploy_factory().await;
        let certs = testkit::certs();
        let (registry, door) = testkit::registry(&certs);
        registry.put(Registry::chain(CHAIN, &chain.url));
        let rig = Rig { chain, deployed, certs, registry, door };
        rig.register(&[("factory", deployed.factory, deployed.block)], 64);
        rig
    }

    /// What the registry tells from now on.
    pub(crate) fn register(&self, contracts: &[(&str, Address, u64)], reorg_depth: u32) {
        let contract = |(standard, address, start_block): &(&str, Address, u64)| registry::Contract {
            name: format!("{standard} {address}"),
            address: format!("{address:#x}"),
            start_block: *start_block,
            standard: (*standard).to_owned(),
            ..Default::default()
        };
        self.registry.update(CHAIN, |chain| {
            (chain.contracts, chain.reorg_depth) = (contracts.iter().map(contract).collect(), reorg_depth);
        });
    }

    /// Where the registry says that the node is.
    pub(crate) fn endpoint(&self, url: &str) {
        self.registry.set_endpoints(CHAIN, vec![Registry::endpoint(url)]);
    }

    /// Two nodes, of which the first is asked while it behaves.
    pub(crate) fn endpoints(&self, first: &str, second: &str) {
        let second = registry::Endpoint { priority: 1, ..Registry::endpoint(second) };
        self.registry.set_endpoints(CHAIN, vec![Registry::endpoint(first), second]);
    }

    /// Stores for an indexer, with nothing in them.
    pub(crate) async fn stores(&self) -> Stores {
        let db = testkit::database(&indexer::MIGRATOR).await;
        let (mongo, prefix) = testkit::mongo().await;
        Stores { db, mongo, mongo_url: mongo_url(), mongo_database: format!("{prefix}events") }
    }

    /// Begins an indexer in this process.
    pub(crate) fn start(&self, stores: &Stores) -> Running {
        self.start_with(stores, NO_BROKER)
    }

    pub(crate) fn start_with(&self, stores: &Stores, amqp_url: &str) -> Running {
        let config = self.config(stores, amqp_url);
        self.start_as(config)
    }

    /// Begins an indexer in this process that looks at the head unasked so seldom.
    pub(crate) fn start_looking_every(&self, stores: &Stores, poll: Duration) -> Running {
        let mut config = self.config(stores, NO_BROKER);
        config.follow.poll_millis = poll.as_millis() as u64;
        self.start_as(config)
    }

    fn start_as(&self, config: Config) -> Running {
        let process = testkit::process("indexer");
        let (ops, stopping) = (process.ops_addr(), process.stopping());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(indexer::run_on(listener, config, process));
        Running { url: format!("https://{address}").parse().unwrap(), ops, stopping, task }
    }

    fn config(&self, stores: &Stores, amqp_url: &str) -> Config {
        let ops_addr = ([127, 0, 0, 1], 0).into();
        Config {
            process: launch::Settings {
                ops_addr,
                log: "info".into(),
                drain_secs: 0,
                stop_secs: 10,
                otlp_url: None,
            },
            grpc: self.certs.settings_for("indexer"),
            database_url: stores.db.url.as_str().into(),
            database_pool: 4,
            amqp_url: amqp_url.into(),
            mongo_url: stores.mongo_url.as_str().into(),
            mongo_database: stores.mongo_database.clone(),
            peers: Peers { chain_registry: self.door.url.clone() },
            follow: Follow { poll_millis: 50, lease_secs: 2, ..Follow::default() },
        }
    }

    /// Begins an indexer as a process of its own, which a fail point or a signal may kill.
    pub(crate) fn spawn(&self, stores: &Stores, failpoint: &str) -> Killed {
        self.spawn_as(stores, &Birth { failpoint, lease_secs: 2, log: None })
    }

    pub(crate) fn spawn_as(&self, stores: &Stores, birth: &Birth<'_>) -> Killed {
        let grpc = self.certs.settings_for("indexer");
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let output = || match &birth.log {
            Some(path) => {
                Stdio::from(std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap())
            }
            None => Stdio::null(),
        };
        let child = Command::new(env!("CARGO_BIN_EXE_indexer"))
            .env("VITRINE_FAILPOINT", birth.failpoint)
            .env("INDEXER__PROCESS__OPS_ADDR", "127.0.0.1:0")
            .env("INDEXER__GRPC__ADDR", "127.0.0.1:0")
            .env("INDEXER__GRPC__CA", text(&grpc.ca))
            .env("INDEXER__GRPC__CERT", text(&grpc.cert))
            .env("INDEXER__GRPC__KEY", text(&grpc.key))
            .env("INDEXER__DATABASE_URL", &stores.db.url)
            .env("INDEXER__AMQP_URL", NO_BROKER)
            .env("INDEXER__MONGO_URL", &stores.mongo_url)
            .env("INDEXER__MONGO_DATABASE", &stores.mongo_database)
            .env("INDEXER__PEERS__CHAIN_REGISTRY", self.door.url.as_str())
            .env("INDEXER__FOLLOW__POLL_MILLIS", "50")
            .env("INDEXER__FOLLOW__LEASE_SECS", birth.lease_secs.to_string())
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .spawn()
            .unwrap();
        Killed(child)
    }

    /// Makes a collection and says where it is.
    pub(crate) async fn create(&self, is_multi: bool, name: &str) -> Address {
        let params = CreateParams {
            name: name.into(),
            symbol: "SYM".into(),
            baseURI: "ipfs://base/".into(),
            contractURI: "ipfs://contract".into(),
            maxSupply: U256::from(1000),
            royaltyRecipient: self.deployed.factory,
            royaltyBps: alloy::primitives::aliases::U96::from(500),
            stages: vec![Stage { kind: launchpad::STAGE_PUBLIC, ..empty_stage() }],
        };
        let intent = B256::from(rand_bytes());
        let data = match is_multi {
            true => VitrineFactory::createERC1155CollectionCall { p: params, intentId: intent }.abi_encode(),
            false => VitrineFactory::createERC721CollectionCall { p: params, intentId: intent }.abi_encode(),
        };
        let receipt = self.send(self.deployed.factory, data).await;
        let log = receipt["logs"].as_array().unwrap().iter().find(|log| {
            log["address"].as_str().unwrap().parse::<Address>().unwrap() == self.deployed.factory
        });
        Address::from_word(log.unwrap()["topics"][1].as_str().unwrap().parse().unwrap())
    }

    /// Mints tokens of an ERC-721 collection to one holder; they are numbered by the contract.
    pub(crate) async fn mint(&self, collection: Address, quantity: u64) -> Value {
        let call = VitrineERC721::mintCall {
            to: HOLDER,
            quantity: U256::from(quantity),
            stageId: U256::ZERO,
            proof: vec![],
        };
        self.send(collection, call.abi_encode()).await
    }

    pub(crate) async fn mint_multi(&self, collection: Address, ids: &[u64], amounts: &[u64]) -> Value {
        let numbers = |of: &[u64]| of.iter().map(|n| U256::from(*n)).collect();
        let call = VitrineERC1155::mintBatchCall {
            to: HOLDER,
            ids: numbers(ids),
            amounts: numbers(amounts),
            stageId: U256::ZERO,
            proof: vec![],
        };
        self.send(collection, call.abi_encode()).await
    }

    pub(crate) async fn send(&self, to: Address, data: Vec<u8>) -> Value {
        self.chain
            .send(json!({ "to": to, "data": alloy::primitives::Bytes::from(data), "gas": "0x500000" }))
            .await
    }
}

pub(crate) const HOLDER: Address = Address::repeat_byte(0x77);

fn empty_stage() -> Stage {
    Stage {
        kind: 0,
        price: U256::ZERO,
        startsAt: 0,
        endsAt: 0,
        maxPerWallet: U256::ZERO,
        merkleRoot: B256::ZERO,
        maxSupply: U256::ZERO,
    }
}

fn rand_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes
}

fn mongo_url() -> String {
    std::env::var("VITRINE_TEST_MONGO").expect("the test stores run")
}

/// An indexer in this process.
pub(crate) struct Running {
    pub(crate) url: url::Url,
    /// Where `/ready` and `/metrics` are.
    pub(crate) ops: std::net::SocketAddr,
    stopping: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Ends it as a signal would, and sees that it ends well.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// A client that shows the certificate of `caller`.
    pub(crate) fn client(&self, rig: &Rig, caller: &str) -> IndexerServiceClient<rpc::Channel> {
        let identity = rpc::Identity::load(&rig.certs.settings_for(caller)).unwrap();
        IndexerServiceClient::new(rpc::channel("indexer", &self.url, &identity).unwrap())
    }
}

/// How a process of its own begins.
pub(crate) struct Birth<'a> {
    /// Where it dies; empty for nowhere.
    pub(crate) failpoint: &'a str,
    pub(crate) lease_secs: u64,
    /// What it says is appended there.
    pub(crate) log: Option<std::path::PathBuf>,
}

/// An indexer in a process of its own.
pub(crate) struct Killed(Child);

impl Killed {
    /// Waits until it has died by itself.
    pub(crate) async fn dead(&mut self) {
        eventually(SOON, "the fail point kills the indexer", async || self.0.try_wait().unwrap()).await;
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What an indexer keeps.
pub(crate) struct Stores {
    pub(crate) db: TestDb,
    pub(crate) mongo: mongodb::Client,
    pub(crate) mongo_url: String,
    pub(crate) mongo_database: String,
}

impl Stores {
    /// Waits until the chain is read up to its newest block, by hash.
    pub(crate) async fn caught_up(&self, rig: &Rig) {
        eventually(SOON, "the indexer is at the head", async || {
            let head = rig.chain.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
            let hash: Vec<u8> = head["hash"].as_str().unwrap().parse::<B256>().unwrap().to_vec();
            let at = sqlx::query_scalar::<_, Vec<u8>>("select last_block_hash from indexer_checkpoints")
                .fetch_optional(&self.db.pool)
                .await
                .unwrap();
            (at? == hash).then_some(())
        })
        .await;
    }

    /// Everything that was told, in the order of the outbox.
    pub(crate) async fn told(&self) -> Vec<Value> {
        sqlx::query_scalar("select body from outbox order by id").fetch_all(&self.db.pool).await.unwrap()
    }

    /// How many rows a query counts.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query(sql).fetch_one(&self.db.pool).await.unwrap().get(0)
    }

    /// The document of a log.
    pub(crate) async fn raw(&self, id: &str) -> Option<bson::Document> {
        let events = self.mongo.database(&self.mongo_database).collection::<bson::Document>("raw");
        events.find_one(bson::doc! { "_id": id }).await.unwrap()
    }
}

/// One event as it was told: its generation, whether it was taken back, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) generation: u64,
    pub(crate) removed: bool,
    pub(crate) fact: Value,
}

/// Every event of every message, in their order.
pub(crate) fn events(told: &[Value]) -> Vec<(String, Event)> {
    told.iter()
        .flat_map(|message| {
            let data = &message["data"];
            data["events"].as_array().unwrap().iter().map(move |event| {
                let mut fact = event.clone();
                // How settled a block was depends on when it was read.
                fact.as_object_mut().unwrap().remove("finality");
                let event = Event {
                    kind: message["type"].as_str().unwrap().to_owned(),
                    generation: data["generation"].as_u64().unwrap(),
                    removed: data["removed"].as_bool().unwrap(),
                    fact,
                };
                (event.fact["id"].as_str().unwrap().to_owned(), event)
            })
        })
        .collect()
}

/// What a consumer ends with, whatever the order: of each id the highest (generation, removed) decides.
pub(crate) fn net(told: &[Value]) -> BTreeMap<String, (String, Value)> {
    let mut by_id: HashMap<String, Event> = HashMap::new();
    for (id, event) in events(told) {
        let known = by_id.entry(id).or_insert_with(|| event.clone());
        if (event.generation, event.removed) > (known.generation, known.removed) {
            *known = event;
        }
    }
    by_id
        .into_iter()
        .filter(|(_, event)| !event.removed)
        .map(|(id, event)| (id, (event.kind, event.fact)))
        .collect()
}

/// No message and no event was told twice.
pub(crate) fn assert_told_once(told: &[Value]) {
    let ids: std::collections::HashSet<&str> =
        told.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), told.len(), "each message has an id of its own");
    let events: Vec<_> =
        events(told).into_iter().map(|(id, event)| (id, event.generation, event.removed)).collect();
    let distinct: std::collections::HashSet<_> = events.iter().collect();
    assert_eq!(
        distinct.len(),
        events.len(),
        "each event was told once and at most taken back once in its generation"
    );
}

/// What was told comes to the same as what an indexer that begins now tells of the chain.
pub(crate) async fn assert_equals_rebuild(rig: &Rig, stores: &Stores) {
    let anew = rig.stores().await;
    let running = rig.start(&anew);
    anew.caught_up(rig).await;
    running.stop().await;
    let (ours, rebuilt) = (net(&stores.told().await), net(&anew.told().await));
    assert!(!rebuilt.is_empty());
    assert_eq!(ours, rebuilt);
}
