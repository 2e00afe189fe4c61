//! Each call of wallet, over mutual TLS.

use std::{net::TcpListener, time::Duration};

use ids::UserId;
use proto::wallet::v1::{
    BatchListWalletsRequest, ResolveAccountsRequest, UpsertLinkRequest,
    wallet_service_client::WalletServiceClient,
};
use rpc::{Channel, Code, Identity, Problem};
use testkit::{Certs, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use url::Url;

const ACCOUNT: &str = "eip155:31337:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

/// A running wallet.
struct Served {
    url: Url,
    certs: Certs,
    _db: TestDb,
    vhost: Vhost,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn serve() -> Served {
    let (db, vhost, certs) =
        (testkit::database(&wallet::MIGRATOR).await, testkit::vhost().await, testkit::certs());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let grpc = certs.settings_for("wallet");
    let process = testkit::process("wallet");
    let stop = process.stopping();
    let config = wallet::Config {
        process: launch::Settings {
            ops_addr: "127.0.0.1:0".parse().unwrap(),
            log: "info".into(),
            drain_secs: 0,
            stop_secs: 5,
            otlp_url: None,
        },
        grpc,
        database_url: db.url.as_str().into(),
        database_pool: 4,
        // Nobody listens there: without Redis everything works.
        redis_url: "redis://127.0.0.1:1".into(),
        amqp_url: vhost.secret(),
    };
    let ended = tokio::spawn(wallet::serve(listener.into(), config, process));
    Served { url, certs, _db: db, vhost, stop, ended }
}

impl Served {
    fn client(&self, name: &str) -> WalletServiceClient<Channel> {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        WalletServiceClient::new(rpc::channel("wallet", &self.url, &identity).unwrap())
    }

    async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

fn link(user_id: UserId) -> UpsertLinkRequest {
    UpsertLinkRequest {
        user_id: user_id.to_string(),
        account_id: ACCOUNT.to_owned(),
        r#type: "eoa".to_owned(),
        connector: "metamask".to_owned(),
    }
}

#[tokio::test]
async fn a_link_is_made_resolved_listed_and_told() {
    let wallet = serve().await;
    let (mut auth, mut gateway) = (wallet.client("auth"), wallet.client("gateway"));
    let user_id = UserId::new();
    let made = auth.upsert_link(link(user_id)).await.unwrap().into_inner();
    assert!(made.created);
    let again = auth.upsert_link(link(UserId::new())).await.unwrap().into_inner();
    assert!(!again.created);
    assert_eq!(again.wallet, made.wallet, "the owner's link is the answer");

    // The same key on another chain is the same person; any case of the address is understood.
    let asked = "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".to_owned();
    let request = ResolveAccountsRequest { account_ids: vec![asked.clone(), ACCOUNT.replace('f', "e")], ..Default::default() };
    let owners = auth.resolve_accounts(request).await.unwrap().into_inner().user_id_by_account;
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[&asked], user_id.to_string());

    let request = BatchListWalletsRequest { user_ids: vec![UserId::new().to_string(), user_id.to_string()] };
    let wallets = gateway.batch_list_wallets(request).await.unwrap().into_inner().wallets;
    assert_eq!(wallets, [made.wallet.unwrap()]);
    assert!(wallets[0].is_primary);
    assert_eq!((wallets[0].connector.as_str(), wallets[0].account_id.as_str()), ("metamask", ACCOUNT));

    for queue in ["auth.wallets.changed", "user.wallets.changed", "subs.wallets.linked"] {
        let within = Duration::from_secs(60);
        testkit::eventually(within, queue, async || (wallet.vhost.depth(queue).await == 1).then_some(()))
            .await;
    }
    wallet.end().await;
}

#[tokio::test]
async fn only_auth_links_accounts_and_bad_input_is_named() {
    let wallet = serve().await;
    let refused = wallet.client("gateway").upsert_link(link(UserId::new())).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::Forbidden);

    let mut auth = wallet.client("auth");
    for (path, request) in [
        ("user_id", UpsertLinkRequest { user_id: "me".into(), ..link(UserId::new()) }),
        ("account_id", UpsertLinkRequest { account_id: "0xf39".into(), ..link(UserId::new()) }),
        ("type", UpsertLinkRequest { r#type: "robot".into(), ..link(UserId::new()) }),
        ("connector", UpsertLinkRequest { connector: "x".repeat(51), ..link(UserId::new()) }),
    ] {
        let problem = Problem::from(&auth.upsert_link(request).await.unwrap_err());
        assert_eq!(problem.code, Code::BadInput);
        assert_eq!(problem.violations[0].path, path);
    }
    let many = ResolveAccountsRequest { account_ids: vec![ACCOUNT.to_owned(); 101], ..Default::default() };
    assert_eq!(Problem::from(&auth.resolve_accounts(many).await.unwrap_err()).code, Code::BadInput);
    wallet.end().await;
}
