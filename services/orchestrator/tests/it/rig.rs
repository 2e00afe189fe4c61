//! A running orchestrator with a chain and the five services that it calls, which answer what a test tells them.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes},
    sol_types::SolCall,
};
use ids::UserId;
use proto::{
    auth::v1::auth_service_server as auth_server,
    catalog::v1::catalog_service_server as catalog_server,
    common::v1::{Caller, ContractRef, TokenStandard},
    indexer::v1::indexer_service_server as indexer_server,
    orchestrator::v1::{
        GetIntentRequest, Intent, IntentStatus, MintStage, PrepareCreateCollectionRequest,
        PrepareCreateCollectionResponse, Step, TrackTxRequest,
        collection_orchestrator_service_client::CollectionOrchestratorServiceClient,
        intent_service_client::IntentServiceClient,
        mint_orchestrator_service_client::MintOrchestratorServiceClient,
    },
    wallet::v1::wallet_service_server as wallet_server,
};
use rpc::{Channel, Identity};
use serde_json::{Value, json};
use testkit::{Certs, Chain, Deployed, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

use crate::fakes::{Fake, World, told};

pub(crate) const WITHIN: Duration = Duration::from_secs(60);
pub(crate) const CHAIN: &str = "eip155:31337";

pub(crate) struct Rig {
    pub(crate) world: Arc<World>,
    pub(crate) chain: Chain,
    pub(crate) deployed: Deployed,
    pub(crate) db: TestDb,
    pub(crate) vhost: Vhost,
    certs: Certs,
    url: Url,
    config: orchestrator::Config,
    listener: TcpListener,
    fakes: CancellationToken,
    running: Option<(CancellationToken, tokio::task::JoinHandle<anyhow::Result<()>>)>,
}

impl Rig {
    pub(crate) async fn start() -> Rig {
        Rig::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut orchestrator::Config)) -> Rig {
        Rig::start_on(testkit::chain().await, 1, Vec::new(), change).await
    }

    /// On a chain that asks for so many confirmations.
    pub(crate) async fn start_deep(confirmations: u32) -> Rig {
        Rig::start_on(testkit::chain().await, confirmations, Vec::new(), |_| {}).await
    }

    /// On a chain whose contracts the registry knows from the beginning: what it learns later arrives a moment later.
    pub(crate) async fn start_on(
        chain: testkit::Chain,
        confirmations: u32,
        contracts: Vec<proto::chainregistry::v1::Contract>,
        change: impl FnOnce(&mut orchestrator::Config),
    ) -> Rig {
        let deployed = chain.deploy_factory().await;
        let (db, vhost, certs) = (
            testkit::database(&orchestrator::MIGRATOR).await,
            testkit::vhost_of("orchestrator").await,
            testkit::certs(),
        );
        let world = Arc::new(World {
            chain_url: chain.url.clone(),
            factory: format!("{:#x}", deployed.factory),
            confirmations: Mutex::new(confirmations),
            contracts: Mutex::new(contracts),
            ..World::default()
        });
        let fakes = CancellationToken::new();
        let serve = |name: &'static str, routes: Routes| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url: Url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
            let identity = Identity::load(&certs.settings_for(name)).unwrap();
            tokio::spawn(rpc::serve(listener, identity, routes, fakes.clone()));
            url
        };
        let fake = Fake(Arc::clone(&world));
        let described = Arc::clone(&world);
        let registry = testkit::Registry::of(move || Some(told(&described)));
        let peers = orchestrator::PeerUrls {
            chain_registry: serve("chain-registry", registry.routes()),
            catalog: serve("catalog", Routes::new(catalog_server::CatalogServiceServer::new(fake.clone()))),
            wallet: serve("wallet", Routes::new(wallet_server::WalletServiceServer::new(fake.clone()))),
            auth: serve("auth", Routes::new(auth_server::AuthServiceServer::new(fake.clone()))),
            indexer: serve("indexer", Routes::new(indexer_server::IndexerServiceServer::new(fake))),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let mut config = orchestrator::Config {
            process: launch::Settings {
                ops_addr: "127.0.0.1:0".parse().unwrap(),
                log: "info".into(),
                drain_secs: 0,
                stop_secs: 5,
                otlp_url: None,
            },
            grpc: certs.settings_for("orchestrator"),
            database_url: db.url.as_str().into(),
            database_pool: 8,
            redis_url: testkit::redis().await.into(),
            amqp_url: vhost.secret(),
            peers,
            intent_ttl_secs: 3600,
            gas_margin_percent: 20,
            royalty_max_bps: 1000,
            follow_every_millis: 50,
            drop_after_secs: 600,
        };
        change(&mut config);
        let mut rig =
            Rig { world, chain, deployed, db, vhost, certs, url, config, listener, fakes, running: None };
        rig.up();
        rig
    }

    /// Starts the service; also after [`Rig::down`], at the same address.
    pub(crate) fn up(&mut self) {
        let process = testkit::process("orchestrator");
        let stop = process.stopping();
        let listener = self.listener.try_clone().unwrap();
        let serving = orchestrator::serve(listener.into(), self.config.clone(), process);
        self.running = Some((stop, tokio::spawn(serving)));
    }

    /// Ends the service as a lost process would end: in the middle of whatever it did.
    pub(crate) async fn down(&mut self) {
        let (stop, running) = self.running.take().unwrap();
        running.abort();
        let _ = running.await;
        stop.cancel();
    }

    /// Another orchestrator on the same stores; it ends with what is returned.
    pub(crate) fn up_beside(&self) -> tokio_util::sync::DropGuard {
        let process = testkit::process("orchestrator");
        let stop = process.stopping();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        tokio::spawn(orchestrator::serve(listener.into(), self.config.clone(), process));
        stop.drop_guard()
    }

    /// Ends what a lost process still holds at once, instead of when its time runs out.
    pub(crate) async fn restart(&mut self) {
        self.down().await;
        sqlx::query("update tx_intents set claimed_until = null").execute(&self.db.pool).await.unwrap();
        self.up();
        testkit::eventually(WITHIN, "the service answers again", async || {
            let user = self.user(9).await;
            let asked = user.says(GetIntentRequest { intent_id: UserId::new().to_string() });
            let answer = self.intents("gateway").get_intent(asked).await;
            answer.is_err_and(|status| status.code() == tonic::Code::NotFound).then_some(())
        })
        .await;
    }

    pub(crate) fn channel(&self, name: &str) -> Channel {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        rpc::channel("orchestrator", &self.url, &identity).unwrap()
    }

    pub(crate) fn collections(&self) -> CollectionOrchestratorServiceClient<Channel> {
        CollectionOrchestratorServiceClient::new(self.channel("gateway"))
    }

    pub(crate) fn mints(&self) -> MintOrchestratorServiceClient<Channel> {
        MintOrchestratorServiceClient::new(self.channel("gateway"))
    }

    pub(crate) fn intents(&self, name: &str) -> IntentServiceClient<Channel> {
        IntentServiceClient::new(self.channel(name))
    }

    /// A user with one of anvil's accounts, the `n`th.
    pub(crate) async fn user(&self, n: usize) -> User {
        let accounts = self.chain.rpc("eth_accounts", json!([])).await;
        let address = accounts[n].as_str().unwrap().to_lowercase();
        let user_id = UserId::new().to_string();
        self.world.wallets.lock().unwrap().push((user_id.clone(), address.clone()));
        let session_id = UserId::new().to_string();
        let account_id = format!("{CHAIN}:{address}");
        User { caller: Caller { user_id, session_id, account_id, roles: vec!["user".into()] }, n, address }
    }

    pub(crate) async fn create(
        &self,
        user: &User,
        request: PrepareCreateCollectionRequest,
    ) -> Result<PrepareCreateCollectionResponse, Status> {
        let request = user.says(request);
        self.collections().prepare_create_collection(request).await.map(Response::into_inner)
    }

    /// Sends a step's transaction as the user's wallet would.
    pub(crate) async fn send(&self, step: &Step) -> String {
        let transaction = wallet_form(step);
        self.chain.rpc("eth_sendTransaction", json!([transaction])).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn track(&self, user: &User, intent: &Intent, tx_hash: &str) -> Result<Intent, Status> {
        let (intent_id, tx_hash) = (intent.intent_id.clone(), tx_hash.to_owned());
        let request = user.says(TrackTxRequest { intent_id, step_id: String::new(), tx_hash });
        Ok(self.intents("gateway").track_tx(request).await?.into_inner().intent.unwrap())
    }

    pub(crate) async fn get(&self, user: &User, intent_id: &str) -> Intent {
        let request = user.says(GetIntentRequest { intent_id: intent_id.to_owned() });
        self.intents("gateway").get_intent(request).await.unwrap().into_inner().intent.unwrap()
    }

    /// Waits until the intent is in this state.
    pub(crate) async fn reaches(&self, user: &User, intent: &Intent, status: IntentStatus) -> Intent {
        let what = format!("{} is {}", intent.intent_id, status.as_str_name());
        testkit::eventually(WITHIN, &what, async || {
            let now = self.get(user, &intent.intent_id).await;
            (now.status() == status).then_some(now)
        })
        .await
    }

    /// A collection of the user on the chain, made without the service's tracker.
    pub(crate) async fn collection(
        &self,
        user: &User,
        request: PrepareCreateCollectionRequest,
    ) -> ContractRef {
        let prepared = self.create(user, request).await.unwrap();
        let hash = self.send(&prepared.steps[0]).await;
        let receipt = self.receipt(&hash).await;
        assert_eq!(receipt["status"], "0x1");
        ContractRef { chain_id: CHAIN.into(), address: prepared.intent.unwrap().preview_address }
    }

    pub(crate) async fn receipt(&self, hash: &str) -> Value {
        testkit::eventually(WITHIN, "the transaction is mined", async || {
            let receipt = self.chain.rpc("eth_getTransactionReceipt", json!([hash])).await;
            (!receipt.is_null()).then_some(receipt)
        })
        .await
    }

    /// Asks a contract.
    pub(crate) async fn view<C: SolCall>(&self, to: &str, call: C) -> C::Return {
        let data = Bytes::from(call.abi_encode());
        let answer = self.chain.rpc("eth_call", json!([{ "to": to, "data": data }, "latest"])).await;
        let bytes: Bytes = answer.as_str().unwrap().parse().unwrap();
        C::abi_decode_returns(&bytes).unwrap()
    }

    pub(crate) async fn end(mut self) {
        let (stop, running) = self.running.take().unwrap();
        stop.cancel();
        running.await.unwrap().unwrap();
        self.fakes.cancel();
    }
}

/// Somebody who is signed in.
pub(crate) struct User {
    pub(crate) caller: Caller,
    /// Which of anvil's accounts.
    pub(crate) n: usize,
    /// Lower-case.
    pub(crate) address: String,
}

impl User {
    pub(crate) fn says<T>(&self, message: T) -> Request<T> {
        rpc::caller::acting(message, &self.caller)
    }

    pub(crate) fn wants_collection(
        &self,
        request_id: &str,
        standard: TokenStandard,
    ) -> PrepareCreateCollectionRequest {
        PrepareCreateCollectionRequest {
            request_id: request_id.into(),
            chain_id: CHAIN.into(),
            standard: standard.into(),
            name: "Sunsets".into(),
            symbol: "SUN".into(),
            creator: self.address.clone(),
            metadata_uri: "ipfs://bafy/collection.json".into(),
            base_uri: "ipfs://bafy/".into(),
            royalty_bps: 500,
            royalty_recipient: String::new(),
            max_supply: "10".into(),
            stages: vec![public_stage("1000000000000000000")],
        }
    }
}

pub(crate) fn public_stage(price: &str) -> MintStage {
    MintStage {
        kind: "public".into(),
        price_raw: price.into(),
        start_time: None,
        end_time: None,
        max_per_wallet: "5".into(),
        allowlist_root: vec![],
        max_supply: "0".into(),
    }
}

/// The transaction as a wallet takes it.
pub(crate) fn wallet_form(step: &Step) -> Value {
    let transaction = step.transaction.as_ref().unwrap();
    let hex = |decimal: &str| format!("{:#x}", amounts::parse(decimal).unwrap());
    json!({
        "from": transaction.from,
        "to": transaction.to,
        "data": Bytes::copy_from_slice(&transaction.data),
        "value": hex(&transaction.value),
        "gas": hex(&transaction.gas),
        "maxFeePerGas": hex(&transaction.max_fee_per_gas),
        "maxPriorityFeePerGas": hex(&transaction.max_priority_fee_per_gas),
    })
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}
