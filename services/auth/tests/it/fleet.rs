//! Running auths with everything around them, and a wallet that signs in.

use std::{net::TcpListener, num::NonZeroU32};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use chrono::{SecondsFormat, Utc};
use ids::AccountId;
use proto::auth::v1::{
    ClientInfo, IssueNonceRequest, IssueNonceResponse, VerifySiweRequest, VerifySiweResponse,
    auth_service_client::AuthServiceClient,
};
use rpc::{Channel, Identity, Problem};
use testkit::{Certs, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use url::Url;

use crate::world::{CHAIN, Others};

/// Running auths on the same stores; mostly one.
pub(crate) struct Fleet {
    /// Where the first one listens.
    pub(crate) url: Url,
    pub(crate) certs: Certs,
    pub(crate) db: TestDb,
    pub(crate) vhost: Vhost,
    pub(crate) redis_url: String,
    pub(crate) others: Others,
    limits: auth::Limits,
    running: Vec<Running>,
}

struct Running {
    gateway: AuthServiceClient<Channel>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// Starts auth with all its stores.
pub(crate) async fn start() -> Fleet {
    start_many(1).await
}

/// Starts auth with this address for Redis.
pub(crate) async fn start_with_redis(redis_url: String) -> Fleet {
    start_with(1, redis_url, unlimited()).await
}

/// Starts so many auths on the same stores.
pub(crate) async fn start_many(processes: usize) -> Fleet {
    start_with(processes, testkit::redis().await, unlimited()).await
}

/// Starts auth where these chains are enabled too.
pub(crate) async fn start_on_chains(more: &[u64]) -> Fleet {
    let mut fleet = prepare(testkit::redis().await, unlimited()).await;
    fleet.others.world().more_chains = more.to_vec();
    fleet.launch(1);
    fleet
}

/// Starts auth where the chains are at these nodes. It may ask for them at once.
pub(crate) async fn start_at(nodes: impl IntoIterator<Item = (u64, Vec<String>)>) -> Fleet {
    start_limited_at(unlimited(), nodes).await
}

/// The same with these limits.
pub(crate) async fn start_limited_at(
    limits: auth::Limits,
    nodes: impl IntoIterator<Item = (u64, Vec<String>)>,
) -> Fleet {
    let mut fleet = prepare(testkit::redis().await, limits).await;
    for (chain, urls) in nodes {
        let mut world = fleet.others.world();
        world.endpoints.insert(chain, urls);
        if chain != CHAIN {
            world.more_chains.push(chain);
        }
    }
    fleet.launch(1);
    fleet
}

/// Starts so many auths with this Redis and these limits.
pub(crate) async fn start_with(processes: usize, redis_url: String, limits: auth::Limits) -> Fleet {
    let mut fleet = prepare(redis_url, limits).await;
    fleet.launch(processes);
    fleet
}

/// The stores and those whom auth asks, without any auth yet.
async fn prepare(redis_url: String, limits: auth::Limits) -> Fleet {
    let (db, vhost, certs) =
        (testkit::database(&auth::MIGRATOR).await, testkit::vhost_of("auth").await, testkit::certs());
    let url = Url::parse("https://127.0.0.1").unwrap();
    let others = Others::default();
    Fleet { url, certs, db, vhost, redis_url, others, limits, running: Vec::new() }
}

/// Limits that no test meets by accident: all of them knock from one address.
pub(crate) fn unlimited() -> auth::Limits {
    let many = NonZeroU32::new(100_000).unwrap();
    auth::Limits {
        nonces_per_minute: many,
        sign_ins_per_minute: many,
        refreshes_per_minute: many,
        sessions_per_minute: many,
        contract_checks_per_minute: many,
        ..auth::Limits::default()
    }
}

impl Fleet {
    fn launch(&mut self, processes: usize) {
        for _ in 0..processes {
            let process = testkit::process("auth");
            let stop = process.stopping();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url: Url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
            if self.running.is_empty() {
                self.url = url.clone();
            }
            let config = self.config(&stop);
            let ended = tokio::spawn(auth::serve(listener.into(), config, process));
            let gateway = self.client_at(&url, "gateway");
            self.running.push(Running { gateway, stop, ended });
        }
    }

    /// Why one more does not start with a changed configuration.
    pub(crate) async fn why_not_started(&self, change: impl FnOnce(&mut auth::Config)) -> String {
        let process = testkit::process("auth");
        let mut config = self.config(&process.stopping());
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        auth::serve(listener.into(), config, process).await.unwrap_err().to_string()
    }

    fn config(&self, stop: &CancellationToken) -> auth::Config {
        auth::Config {
            process: launch::Settings {
                ops_addr: "127.0.0.1:0".parse().unwrap(),
                log: "info".into(),
                drain_secs: 0,
                stop_secs: 5,
                otlp_url: None,
            },
            grpc: self.certs.settings_for("auth"),
            database_url: self.db.url.as_str().into(),
            database_pool: 8,
            redis_url: self.redis_url.as_str().into(),
            amqp_url: self.vhost.secret(),
            peers: self.others.serve(&self.certs, stop),
            domains: vec!["localhost:8081".into()],
            origins: vec!["http://localhost:8081".into()],
            issuer: "http://localhost:8081".into(),
            statement: "Sign in to Vitrine.".into(),
            link_statement: "Link this wallet to my Vitrine account.".into(),
            key_max_age_days: 30,
            key_reload_secs: 1,
            limits: self.limits.clone(),
        }
    }

    fn client_at(&self, url: &Url, name: &str) -> AuthServiceClient<Channel> {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        AuthServiceClient::new(rpc::channel("auth", url, &identity).unwrap())
    }

    pub(crate) fn client(&self, name: &str) -> AuthServiceClient<Channel> {
        self.client_at(&self.url, name)
    }

    /// The gateway's connections, one to each auth.
    pub(crate) fn gateways(&self) -> Vec<AuthServiceClient<Channel>> {
        self.running.iter().map(|running| running.gateway.clone()).collect()
    }

    /// Stops all of them and starts as many again: nothing is left but what the stores keep.
    pub(crate) async fn restart(&mut self) {
        let processes = self.running.len();
        self.stop().await;
        self.launch(processes);
    }

    pub(crate) async fn nonce(&self) -> IssueNonceResponse {
        self.gateways()[0].issue_nonce(IssueNonceRequest::default()).await.unwrap().into_inner()
    }

    pub(crate) async fn verify(&self, request: VerifySiweRequest) -> Result<VerifySiweResponse, Status> {
        Ok(self.gateways()[0].verify_siwe(request).await?.into_inner())
    }

    /// A whole sign-in.
    pub(crate) async fn sign_in(&self, signer: &PrivateKeySigner) -> Result<VerifySiweResponse, Status> {
        let nonce = self.nonce().await;
        self.verify(signed(signer, &message(signer, &nonce))).await
    }

    /// The results of all attempts, in order.
    pub(crate) async fn results(&self) -> Vec<String> {
        sqlx::query_scalar("select result from login_events order by id")
            .fetch_all(&self.db.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(query).fetch_one(&self.db.pool).await.unwrap()
    }

    /// Redis loses everything that this fleet wrote.
    pub(crate) async fn flush_redis(&self) {
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("FLUSHDB").query_async::<()>(&mut redis).await.unwrap();
    }

    async fn stop(&mut self) {
        for running in &self.running {
            running.stop.cancel();
        }
        for running in self.running.drain(..) {
            running.ended.await.unwrap().unwrap();
        }
    }

    pub(crate) async fn end(mut self) {
        self.stop().await;
    }
}

pub(crate) fn account(signer: &PrivateKeySigner) -> AccountId {
    AccountId::new(ids::ChainId::new(CHAIN).unwrap(), signer.address().into())
}

/// What a client writes around a nonce.
pub(crate) fn message(signer: &PrivateKeySigner, nonce: &IssueNonceResponse) -> String {
    format!(
        "{} wants you to sign in with your Ethereum account:\n{}\n\n{}\n\nURI: {}\nVersion: 1\nChain ID: {CHAIN}\n\
         Nonce: {}\nIssued At: {}",
        nonce.domain,
        signer.address(),
        nonce.statement,
        nonce.uri,
        nonce.nonce,
        Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

pub(crate) fn signed(signer: &PrivateKeySigner, message: &str) -> VerifySiweRequest {
    signed_from("203.0.113.7", signer, message)
}

/// The same from another address.
pub(crate) fn signed_from(ip: &str, signer: &PrivateKeySigner, message: &str) -> VerifySiweRequest {
    let client = ClientInfo {
        ip_address: ip.to_owned(),
        user_agent: "test\u{7}agent".to_owned(),
        device_id: String::new(),
    };
    VerifySiweRequest {
        message: message.to_owned(),
        signature: signer.sign_message_sync(message.as_bytes()).unwrap().as_bytes().to_vec(),
        client: Some(client),
        ..Default::default()
    }
}

pub(crate) fn reason(status: &Status) -> String {
    Problem::from(status).reason
}
