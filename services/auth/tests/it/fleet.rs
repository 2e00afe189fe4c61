//! A running auth with everything around it, and a wallet that signs in.

use std::net::TcpListener;

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

/// A running auth.
pub(crate) struct Fleet {
    pub(crate) url: Url,
    pub(crate) certs: Certs,
    pub(crate) db: TestDb,
    pub(crate) vhost: Vhost,
    pub(crate) redis_url: String,
    pub(crate) others: Others,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// Starts auth with all its stores.
pub(crate) async fn start() -> Fleet {
    let redis_url = testkit::redis().await;
    start_with_redis(redis_url).await
}

/// Starts auth with this address for Redis.
pub(crate) async fn start_with_redis(redis_url: String) -> Fleet {
    let (db, vhost, certs) =
        (testkit::database(&auth::MIGRATOR).await, testkit::vhost().await, testkit::certs());
    let others = Others::default();
    let process = testkit::process("auth");
    let stop = process.stopping();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let config = auth::Config {
        process: launch::Settings {
            ops_addr: "127.0.0.1:0".parse().unwrap(),
            log: "info".into(),
            drain_secs: 0,
            stop_secs: 5,
            otlp_url: None,
        },
        grpc: certs.settings_for("auth"),
        database_url: db.url.as_str().into(),
        database_pool: 8,
        redis_url: redis_url.as_str().into(),
        amqp_url: vhost.secret(),
        peers: others.serve(&certs, &stop),
        domains: vec!["localhost:8081".into()],
        origins: vec!["http://localhost:8081".into()],
        issuer: "http://localhost:8081".into(),
        statement: "Sign in to Vitrine.".into(),
    };
    let ended = tokio::spawn(auth::serve(listener.into(), config, process));
    Fleet { url, certs, db, vhost, redis_url, others, stop, ended }
}

impl Fleet {
    pub(crate) fn client(&self, name: &str) -> AuthServiceClient<Channel> {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        AuthServiceClient::new(rpc::channel("auth", &self.url, &identity).unwrap())
    }

    pub(crate) async fn nonce(&self) -> IssueNonceResponse {
        self.client("gateway").issue_nonce(IssueNonceRequest::default()).await.unwrap().into_inner()
    }

    pub(crate) async fn verify(&self, request: VerifySiweRequest) -> Result<VerifySiweResponse, Status> {
        Ok(self.client("gateway").verify_siwe(request).await?.into_inner())
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

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
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
    let client = ClientInfo {
        ip_address: "203.0.113.7".to_owned(),
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
