//! A running catalog with a database, a vhost and a media service of its own.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use ids::Address;
use proto::{
    catalog::v1::catalog_service_client::CatalogServiceClient,
    common::v1::Caller,
    media::v1::{
        media_service_server::{MediaService, MediaServiceServer},
        *,
    },
};
use rpc::{Channel, Identity};
use testkit::{Certs, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

/// A running catalog.
pub(crate) struct Served {
    url: Url,
    certs: Certs,
    pub(crate) db: TestDb,
    pub(crate) vhost: Vhost,
    pub(crate) media: Media,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

pub(crate) async fn serve() -> Served {
    let (db, vhost, certs) =
        (testkit::database(&catalog::MIGRATOR).await, testkit::vhost_of("catalog").await, testkit::certs());
    let (listener, url) = listen();
    let (media_door, media_url) = listen();
    let media = Media::default();
    let process = testkit::process("catalog");
    let stop = process.stopping();
    let identity = Identity::load(&certs.settings_for("media")).unwrap();
    let routes = Routes::new(MediaServiceServer::new(media.clone()));
    tokio::spawn(rpc::serve(media_door, identity, routes, stop.clone()));
    let config = catalog::Config {
        process: launch::Settings {
            ops_addr: "127.0.0.1:0".parse().unwrap(),
            log: "info".into(),
            drain_secs: 0,
            stop_secs: 5,
            otlp_url: None,
        },
        grpc: certs.settings_for("catalog"),
        database_url: db.url.as_str().into(),
        database_pool: 8,
        // Nobody listens there: without Redis everything works.
        redis_url: "redis://127.0.0.1:1".into(),
        amqp_url: vhost.secret(),
        peers: catalog::Peers { media: media_url },
        catching_up_secs: 3_000_000_000,
        metadata_in_flight: 8,
    };
    let ended = tokio::spawn(catalog::serve(listener.into(), config, process));
    Served { url, certs, db, vhost, media, stop, ended }
}

fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, url)
}

impl Served {
    /// A client with that service's certificate.
    pub(crate) fn client(&self, name: &str) -> CatalogServiceClient<Channel> {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        CatalogServiceClient::new(rpc::channel("catalog", &self.url, &identity).unwrap())
    }

    /// Stops, and says whether it stopped well.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

/// A call for the person who has that account.
pub(crate) fn acting_as<T>(message: T, account: Address) -> Request<T> {
    let account_id = format!("eip155:1:{}", account.to_lower());
    rpc::caller::acting(message, &Caller { account_id, ..Caller::default() })
}

/// Answers by token number (empty for a contract); an unknown one is not found. `None` fails the call itself.
#[derive(Clone, Default)]
pub(crate) struct Media {
    pub(crate) answers: Arc<Mutex<HashMap<String, Option<ResolveMetadataResponse>>>>,
    pub(crate) asked: Arc<Mutex<Vec<ResolveMetadataRequest>>>,
}

#[tonic::async_trait]
impl MediaService for Media {
    async fn resolve_metadata(
        &self,
        request: Request<ResolveMetadataRequest>,
    ) -> Result<Response<ResolveMetadataResponse>, Status> {
        let asked = request.into_inner();
        let answer = self.answers.lock().unwrap().get(&asked.token_id).cloned();
        self.asked.lock().unwrap().push(asked);
        match answer {
            Some(Some(answer)) => Ok(Response::new(answer)),
            Some(None) => Err(Status::unavailable("down")),
            None => Ok(Response::new(ResolveMetadataResponse {
                status: "FAILED".to_owned(),
                error_code: "NOT_FOUND".to_owned(),
                ..ResolveMetadataResponse::default()
            })),
        }
    }

    async fn create_upload(
        &self,
        _: Request<CreateUploadRequest>,
    ) -> Result<Response<CreateUploadResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn complete_upload(
        &self,
        _: Request<CompleteUploadRequest>,
    ) -> Result<Response<CompleteUploadResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn batch_get_assets(
        &self,
        _: Request<BatchGetAssetsRequest>,
    ) -> Result<Response<BatchGetAssetsResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn pin_metadata(
        &self,
        _: Request<PinMetadataRequest>,
    ) -> Result<Response<PinMetadataResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }
}
