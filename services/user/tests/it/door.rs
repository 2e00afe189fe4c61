//! Each call of user, over mutual TLS.

use std::{net::TcpListener, time::Duration};

use events::wallets::{WalletLinked, linked};
use ids::{UserId, WalletId};
use proto::user::v1::{
    BatchGetUsersRequest, EnsureUserRequest, GetUserRequest, get_user_request::By,
    user_service_client::UserServiceClient,
};
use rpc::{Channel, Code, Identity, Problem};
use testkit::{Certs, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use url::Url;

/// A running user service.
struct Served {
    url: Url,
    certs: Certs,
    db: TestDb,
    vhost: Vhost,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn serve() -> Served {
    let (db, vhost, certs) =
        (testkit::database(&user::MIGRATOR).await, testkit::vhost().await, testkit::certs());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let process = testkit::process("user");
    let stop = process.stopping();
    let config = user::Config {
        process: launch::Settings {
            ops_addr: "127.0.0.1:0".parse().unwrap(),
            log: "info".into(),
            drain_secs: 0,
            stop_secs: 5,
            otlp_url: None,
        },
        grpc: certs.settings_for("user"),
        database_url: db.url.as_str().into(),
        database_pool: 4,
        amqp_url: vhost.secret(),
    };
    let ended = tokio::spawn(user::serve(listener.into(), config, process));
    Served { url, certs, db, vhost, stop, ended }
}

impl Served {
    fn client(&self, name: &str) -> UserServiceClient<Channel> {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        UserServiceClient::new(rpc::channel("user", &self.url, &identity).unwrap())
    }

    async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

fn ensure(chain: u64, address: u8) -> EnsureUserRequest {
    EnsureUserRequest { account_id: format!("eip155:{chain}:0x{}", format!("{address:02x}").repeat(20)), ..Default::default() }
}

#[tokio::test]
async fn a_user_is_made_once_and_found_by_id_name_and_account() {
    let service = serve().await;
    let (mut auth, mut gateway) = (service.client("auth"), service.client("gateway"));
    let made = auth.ensure_user(ensure(1, 7)).await.unwrap().into_inner();
    assert!(made.created);
    let again = auth.ensure_user(ensure(137, 7)).await.unwrap().into_inner();
    assert!(!again.created);
    assert_eq!(again.user, made.user);
    let user = made.user.unwrap();
    let other = auth.ensure_user(ensure(1, 8)).await.unwrap().into_inner().user.unwrap();

    sqlx::query("update profiles set username = 'Ada_L' where user_id::text = $1")
        .bind(&user.user_id)
        .execute(&service.db.pool)
        .await
        .unwrap();
    for by in [
        By::UserId(user.user_id.clone()),
        By::Username("aDA_l".to_owned()),
        By::AccountId(format!("eip155:10:0x{}", "07".repeat(20))),
    ] {
        let found =
            gateway.get_user(GetUserRequest { by: Some(by) }).await.unwrap().into_inner().user.unwrap();
        assert_eq!(found.user_id, user.user_id);
        assert_eq!((found.profile.unwrap().username.as_str(), found.roles.len()), ("Ada_L", 1));
    }
    let nobody = GetUserRequest { by: Some(By::Username("nobody".to_owned())) };
    assert_eq!(Problem::from(&gateway.get_user(nobody).await.unwrap_err()).code, Code::NotFound);

    let ids = vec![other.user_id.clone(), UserId::new().to_string(), user.user_id.clone()];
    let users =
        gateway.batch_get_users(BatchGetUsersRequest { user_ids: ids }).await.unwrap().into_inner().users;
    let found: Vec<&str> = users.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(found, [&other.user_id, &user.user_id], "in the order of the request");
    service.end().await;
}

#[tokio::test]
async fn only_auth_makes_users_and_bad_input_is_named() {
    let service = serve().await;
    let refused = service.client("gateway").ensure_user(ensure(1, 7)).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::Forbidden);
    let bad = EnsureUserRequest { account_id: "0x07".to_owned(), ..Default::default() };
    let problem = Problem::from(&service.client("auth").ensure_user(bad).await.unwrap_err());
    assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "account_id"));
    let mut gateway = service.client("gateway");
    let many = BatchGetUsersRequest { user_ids: vec![UserId::new().to_string(); 101] };
    assert_eq!(Problem::from(&gateway.batch_get_users(many).await.unwrap_err()).code, Code::BadInput);
    let empty = GetUserRequest { by: None };
    assert_eq!(Problem::from(&gateway.get_user(empty).await.unwrap_err()).violations[0].path, "by");
    service.end().await;
}

#[tokio::test]
async fn what_wallet_tells_on_the_broker_changes_whose_an_account_is() {
    let service = serve().await;
    let mut auth = service.client("auth");
    let before = auth.ensure_user(ensure(1, 7)).await.unwrap().into_inner().user.unwrap();
    let owner = UserId::new();
    let fact = WalletLinked {
        user_id: owner,
        wallet_id: WalletId::new(),
        account_id: ensure(1, 7).account_id.parse().unwrap(),
        kind: "eoa".into(),
        is_primary: true,
    };
    let bus = bus::Bus::open(&service.vhost.secret(), "wallet");
    assert_eq!(bus.publish(&[linked(&fact)]).await, [Ok(())]);
    testkit::eventually(Duration::from_secs(60), "the account is the owner's", async || {
        let user = auth.ensure_user(ensure(1, 7)).await.unwrap().into_inner().user.unwrap();
        (user.user_id == owner.to_string()).then_some(())
    })
    .await;
    assert_ne!(before.user_id, owner.to_string());
    service.end().await;
}
