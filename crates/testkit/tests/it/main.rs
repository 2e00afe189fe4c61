//! The throw-away stores, the chain, the certificates and the faults, each tried once.

use std::time::Duration;

use serde_json::json;
use sqlx::migrate::Migrator;
use testkit::{Fault, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

static MIGRATOR: Migrator = sqlx::migrate!("../bus/migrations");

#[tokio::test]
async fn each_database_is_migrated_and_ones_own_and_goes_with_its_test() {
    let (one, other) = tokio::join!(testkit::database(&MIGRATOR), testkit::database(&MIGRATOR));
    sqlx::query("insert into processed_events (event_id) values ('a')").execute(&one.pool).await.unwrap();
    let count = "select count(*) from processed_events";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&other.pool).await.unwrap(), 0);
    let url = one.url.clone();
    drop(one);
    assert!(sqlx::PgPool::connect(&url).await.is_err());
}

#[tokio::test]
async fn a_redis_and_a_mongo_answer_and_are_empty() {
    let url = testkit::redis().await;
    let mut redis = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let size: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await.unwrap();
    assert_eq!(size, 0);

    let (mongo, prefix) = testkit::mongo().await;
    let things = mongo.database(&format!("{prefix}x")).collection::<mongodb::bson::Document>("things");
    things.insert_one(mongodb::bson::doc! { "_id": 1 }).await.unwrap();
    assert_eq!(things.count_documents(mongodb::bson::doc! {}).await.unwrap(), 1);
    mongo.database(&format!("{prefix}x")).drop().await.unwrap();
}

#[tokio::test]
async fn a_chain_has_the_factory_and_mines_when_told() {
    let chain = testkit::chain().await;
    let deployed = chain.deploy_factory().await;
    for contract in [deployed.factory, deployed.erc721, deployed.erc1155] {
        let code = chain.rpc("eth_getCode", json!([contract, "latest"])).await;
        assert!(code.as_str().unwrap().len() > 100, "{contract}");
    }
    let head = chain.head().await;
    assert_eq!(deployed.block, head);
    chain.mine(5).await;
    assert_eq!(chain.head().await, head + 5);
    assert!(chain.try_rpc("no_such_method", json!([])).await.is_err());
}

#[test]
fn each_service_has_a_certificate_that_names_it() {
    let certs = testkit::certs();
    for service in testkit::SERVICES {
        for settings in [certs.settings_for(service), certs.expired_for(service), certs.stranger_for(service)]
        {
            let pem = std::fs::read_to_string(&settings.cert).unwrap();
            assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
            assert!(std::fs::read_to_string(&settings.key).unwrap().contains("PRIVATE KEY"));
            assert!(settings.ca.exists());
        }
    }
}

#[tokio::test]
async fn a_proxy_passes_falls_silent_and_cuts() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let proxy = Proxy::to(&target).await;
    assert_eq!(proxy.url("amqp://a:b@10.0.0.1:1/v"), format!("amqp://a:b@{}/v", proxy.addr));
    let mut stream = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
    let mut byte = [0; 1];
    stream.write_all(b"a").await.unwrap();
    stream.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"a");

    proxy.set(Fault::Stall);
    stream.write_all(b"b").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut byte)).await.is_err());
    proxy.set(Fault::Pass);
    stream.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"b");

    proxy.set(Fault::Down);
    assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
    let mut next = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
    assert!(matches!(next.read(&mut byte).await, Ok(0) | Err(_)));
}
