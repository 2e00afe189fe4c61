//! A running wallet with everything around it.

use std::net::TcpListener;

use ids::UserId;
use proto::{
    common::v1::Caller,
    wallet::v1::{LinkWalletRequest, LinkWalletResponse, Wallet, wallet_service_client::WalletServiceClient},
};
use rpc::{Channel, Identity, Problem};
use testkit::{Certs, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use url::Url;

use crate::world::{Auth, proof_of};

/// A running wallet.
pub(crate) struct Fleet {
    pub(crate) url: Url,
    pub(crate) certs: Certs,
    pub(crate) db: TestDb,
    pub(crate) vhost: Vhost,
    pub(crate) auth: Auth,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// Starts wallet where nobody listens at the address of Redis: everything works without it.
pub(crate) async fn start() -> Fleet {
    start_with_redis("redis://127.0.0.1:1".to_owned()).await
}

/// Starts wallet with this address for Redis.
pub(crate) async fn start_with_redis(redis_url: String) -> Fleet {
    let (db, vhost, certs) =
        (testkit::database(&wallet::MIGRATOR).await, testkit::vhost_of("wallet").await, testkit::certs());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let process = testkit::process("wallet");
    let stop = process.stopping();
    let auth = Auth::default();
    let config = wallet::Config {
        process: launch::Settings {
            ops_addr: "127.0.0.1:0".parse().unwrap(),
            log: "info".into(),
            drain_secs: 0,
            stop_secs: 5,
            otlp_url: None,
        },
        grpc: certs.settings_for("wallet"),
        database_url: db.url.as_str().into(),
        database_pool: 4,
        redis_url: redis_url.as_str().into(),
        amqp_url: vhost.secret(),
        peers: wallet::PeerUrls { auth: auth.serve(&certs, &stop) },
    };
    let ended = tokio::spawn(wallet::serve(listener.into(), config, process));
    Fleet { url, certs, db, vhost, auth, stop, ended }
}

/// A client of a wallet, with the certificate of a service.
pub(crate) fn client(url: &Url, certs: &Certs, name: &str) -> WalletServiceClient<Channel> {
    let identity = Identity::load(&certs.settings_for(name)).unwrap();
    WalletServiceClient::new(rpc::channel("wallet", url, &identity).unwrap())
}

/// A request on behalf of a user.
pub(crate) fn by<T>(user_id: UserId, message: T) -> Request<T> {
    let caller =
        Caller { user_id: user_id.to_string(), roles: vec!["user".to_owned()], ..Default::default() };
    rpc::caller::acting(message, &caller)
}

/// A link that auth will call proven.
pub(crate) fn proven(account: &str) -> LinkWalletRequest {
    LinkWalletRequest {
        message: proof_of(account, "eoa", &UserId::new().to_string()),
        signature: b"signed".to_vec(),
        ..Default::default()
    }
}

/// The account of an address of equal bytes.
pub(crate) fn account(n: u8) -> String {
    format!("eip155:31337:0x{}", format!("{n:02x}").repeat(20))
}

impl Fleet {
    pub(crate) fn client(&self, name: &str) -> WalletServiceClient<Channel> {
        client(&self.url, &self.certs, name)
    }

    pub(crate) async fn link(
        &self,
        user_id: UserId,
        request: LinkWalletRequest,
    ) -> Result<LinkWalletResponse, Problem> {
        let answer = self.client("gateway").link_wallet(by(user_id, request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Problem::from(&status))
    }

    /// A wallet that the user has now.
    pub(crate) async fn linked(&self, user_id: UserId, n: u8) -> Wallet {
        self.link(user_id, proven(&account(n))).await.unwrap().wallet.unwrap()
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
