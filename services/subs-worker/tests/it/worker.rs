//! A running worker with everything around it.

use std::{net::TcpListener, time::Duration};

use bus::Bus;
use events::mints::{TokenSnapshot, TokenUpserted, upserted};
use ids::{Address, CollectionId, TokenRowId, TxHash};
use proto::subscription::v1::{
    WatchRequest, WatchResponse, subscription_service_client::SubscriptionServiceClient,
};
use rpc::{Channel, Identity};
use subs_worker::{Config, Peers, Window};
use testkit::{Certs, Vhost};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use url::Url;

use crate::orchestrator::Told;

pub(crate) struct Worker {
    pub(crate) told: Told,
    pub(crate) redis: String,
    url: Url,
    certs: Certs,
    vhost: Vhost,
    publisher: Bus,
    stop: CancellationToken,
}

impl Worker {
    pub(crate) async fn start() -> Worker {
        let (vhost, redis, certs, told) = (
            testkit::vhost_of("subs-worker").await,
            testkit::redis().await,
            testkit::certs(),
            Told::default(),
        );
        let stop = CancellationToken::new();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let orchestrator: Url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let identity = Identity::load(&certs.settings_for("orchestrator")).unwrap();
        tokio::spawn(rpc::serve(listener, identity, told.routes(), stop.clone()));

        let mut sender = testkit::process("catalog");
        let publisher = Bus::connect(&vhost.secret(), &mut sender);
        let worker = Worker { told, redis, url: orchestrator.clone(), certs, vhost, publisher, stop };
        worker.run(orchestrator).await
    }

    async fn run(mut self, orchestrator: Url) -> Worker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let process = testkit::process("subs-worker");
        let config = Config {
            process: launch::Settings {
                ops_addr: "127.0.0.1:0".parse().unwrap(),
                log: "info".into(),
                drain_secs: 0,
                stop_secs: 5,
                otlp_url: None,
            },
            grpc: self.certs.settings_for("subs-worker"),
            amqp_url: self.vhost.secret(),
            redis_url: self.redis.as_str().into(),
            peers: Peers { orchestrator },
            window: Window::default(),
        };
        let ends = process.stopping();
        let stop = self.stop.clone();
        tokio::spawn(async move {
            stop.cancelled().await;
            ends.cancel();
        });
        tokio::spawn(subs_worker::serve(listener.into(), config, process));
        self
    }

    pub(crate) async fn publish(&self, messages: &[events::Message]) {
        for outcome in self.publisher.publish(messages).await {
            outcome.unwrap();
        }
    }

    pub(crate) async fn watch(&self, after: &str) -> Result<Watch, Status> {
        let identity = Identity::load(&self.certs.settings_for("gateway")).unwrap();
        let channel: Channel = rpc::channel("subs-worker", &self.url, &identity).unwrap();
        let mut client = SubscriptionServiceClient::new(channel);
        let mut stream = client.watch(WatchRequest { after: after.to_owned() }).await?.into_inner();
        let position = stream.message().await?.expect("the stream opens with its position").delivery_id;
        Ok(Watch { stream, position })
    }

    /// The first watch has to wait until the worker listens.
    pub(crate) async fn watch_now(&self) -> Watch {
        testkit::eventually(Duration::from_secs(20), "the worker accepts watchers", async || {
            self.watch("").await.ok()
        })
        .await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) struct Watch {
    stream: Streaming<WatchResponse>,
    pub(crate) position: String,
}

impl Watch {
    pub(crate) async fn next(&mut self) -> Result<WatchResponse, Status> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.stream.message()).await;
        next.expect("a delivery comes in time").map(|answer| answer.expect("the stream goes on"))
    }
}

/// What the catalog tells when a token has changed.
pub(crate) fn token(row: TokenRowId, revision: i64) -> events::Message {
    let contract = Address::new([7; 20]);
    upserted(&TokenUpserted {
        token: TokenSnapshot {
            id: row,
            collection_id: CollectionId(ids::derived_uuid("collection", "test")),
            chain_id: "eip155:31337".parse().unwrap(),
            contract,
            token_id: "1".parse().unwrap(),
            standard: events::Standard::Erc721,
            name: None,
            owner: Some(contract),
            supply: "1".into(),
            is_burned: false,
            minted_at: None,
            metadata_status: "PENDING".into(),
        },
        revision,
        changed: vec!["minted".into()],
        tx_hashes: vec![TxHash::new([revision as u8; 32])],
        owner_before: None,
        activities: vec![],
        removed: false,
        fork_block: None,
        block_number: 5,
        block_hash: TxHash::new([3; 32]),
    })
}
