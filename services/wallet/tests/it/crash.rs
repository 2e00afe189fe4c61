//! Death in the middle of a link or an unlinking leaves nothing half done, and what is asked again is done once.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use ids::UserId;
use proto::wallet::v1::{UnlinkRequest, wallet_service_client::WalletServiceClient};
use rpc::{Channel, Problem};
use testkit::{Certs, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    fleet::{account, by, client, proven},
    world::Auth,
};

/// A wallet as a process of its own, which a fail point may kill.
struct Mortal {
    child: Child,
    url: Url,
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Stage {
    db: TestDb,
    vhost: Vhost,
    certs: Certs,
    auth_url: Url,
    stop: CancellationToken,
}

impl Stage {
    async fn new() -> Stage {
        let (db, vhost, certs) =
            (testkit::database(&wallet::MIGRATOR).await, testkit::vhost_of("wallet").await, testkit::certs());
        let stop = CancellationToken::new();
        let auth_url = Auth::default().serve(&certs, &stop);
        Stage { db, vhost, certs, auth_url, stop }
    }

    async fn spawn(&self, failpoint: &str) -> Mortal {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let grpc = self.certs.settings_for("wallet");
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let child = Command::new(env!("CARGO_BIN_EXE_wallet"))
            .env("VITRINE_FAILPOINT", failpoint)
            .env("WALLET__PROCESS__OPS_ADDR", "127.0.0.1:0")
            .env("WALLET__GRPC__ADDR", addr.to_string())
            .env("WALLET__GRPC__CA", text(&grpc.ca))
            .env("WALLET__GRPC__CERT", text(&grpc.cert))
            .env("WALLET__GRPC__KEY", text(&grpc.key))
            .env("WALLET__DATABASE_URL", &self.db.url)
            .env("WALLET__REDIS_URL", "redis://127.0.0.1:1")
            .env("WALLET__AMQP_URL", &self.vhost.url)
            .env("WALLET__PEERS__AUTH", self.auth_url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mortal = Mortal { child, url: format!("https://{addr}").parse().unwrap() };
        testkit::eventually(Duration::from_secs(60), "the process listens", async || {
            tokio::net::TcpStream::connect(addr).await.ok()
        })
        .await;
        mortal
    }

    fn client(&self, of: &Mortal) -> WalletServiceClient<Channel> {
        client(&of.url, &self.certs, "gateway")
    }

    async fn count(&self, table: &'static str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(query).fetch_one(&self.db.pool).await.unwrap()
    }
}

impl Mortal {
    async fn dead(&mut self) {
        testkit::eventually(Duration::from_secs(60), "the process is dead", async || {
            self.child.try_wait().unwrap().map(drop)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn death_in_the_middle_of_a_link_leaves_no_part_of_it() {
    let stage = Stage::new().await;
    let user = UserId::new();
    let mut mortal = stage.spawn("wallet.link.inserted").await;
    let request = proven(&account(7));
    let failed = stage.client(&mortal).link_wallet(by(user, request.clone())).await.unwrap_err();
    assert_eq!(Problem::from(&failed).code, rpc::Code::Unavailable);
    mortal.dead().await;
    for table in ["wallet_links", "wallet_activity", "wallet_verifications", "outbox"] {
        assert_eq!(stage.count(table).await, 0, "{table}");
    }
    let next = stage.spawn("none").await;
    let answer = stage.client(&next).link_wallet(by(user, request)).await.unwrap().into_inner();
    assert!(answer.created);
    for table in ["wallet_links", "wallet_activity", "wallet_verifications", "outbox"] {
        assert_eq!(stage.count(table).await, 1, "{table}");
    }
    stage.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn death_in_the_middle_of_an_unlinking_leaves_the_wallet() {
    let stage = Stage::new().await;
    let user = UserId::new();
    let mut mortal = stage.spawn("wallet.unlink.deleted").await;
    let mut gateway = stage.client(&mortal);
    let mut link = async |n| {
        let answer = gateway.link_wallet(by(user, proven(&account(n)))).await.unwrap();
        answer.into_inner().wallet.unwrap()
    };
    let (first, _) = (link(1).await, link(2).await);
    let request = UnlinkRequest { wallet_id: first.wallet_id };
    assert!(gateway.unlink(by(user, request.clone())).await.is_err());
    mortal.dead().await;
    assert_eq!((stage.count("wallet_links").await, stage.count("outbox").await), (2, 2));
    let primary = "wallet_links where is_primary";
    assert_eq!(stage.count(primary).await, 1);

    let next = stage.spawn("none").await;
    stage.client(&next).unlink(by(user, request)).await.unwrap();
    assert_eq!((stage.count("wallet_links").await, stage.count("outbox").await), (1, 3));
    assert_eq!(stage.count(primary).await, 1);
    let queue = "auth.wallets.changed";
    let within = Duration::from_secs(60);
    testkit::eventually(within, queue, async || (stage.vhost.depth(queue).await == 3).then_some(())).await;
    stage.stop.cancel();
}
