//! A running user service with a database and a vhost of its own, and a catalog that says what a test wants.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use ids::UserId;
use proto::{
    catalog::v1::{
        catalog_service_server::{CatalogService, CatalogServiceServer},
        *,
    },
    common::v1::Caller,
    user::v1::{self as pb, user_service_client::UserServiceClient},
};
use rpc::{Channel, Code, Identity, Problem};
use testkit::{Certs, TestDb, Vhost};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

/// A running user service.
pub(crate) struct Served {
    url: Url,
    certs: Certs,
    pub(crate) db: TestDb,
    pub(crate) vhost: Vhost,
    pub(crate) catalog: Catalog,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// With a Redis that is away: everything works without.
pub(crate) async fn serve() -> Served {
    serve_with_redis("redis://127.0.0.1:1").await
}

pub(crate) async fn serve_with_redis(redis_url: &str) -> Served {
    let (db, vhost, certs) =
        (testkit::database(&user::MIGRATOR).await, testkit::vhost_of("user").await, testkit::certs());
    let (listener, url) = listen();
    let (catalog_door, catalog_url) = listen();
    let catalog = Catalog::default();
    let process = testkit::process("user");
    let stop = process.stopping();
    let identity = Identity::load(&certs.settings_for("catalog")).unwrap();
    let routes = Routes::new(CatalogServiceServer::new(catalog.clone()));
    tokio::spawn(rpc::serve(catalog_door, identity, routes, stop.clone()));
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
        database_pool: 8,
        redis_url: redis_url.into(),
        amqp_url: vhost.secret(),
        media_url: "http://127.0.0.1:8082".parse().unwrap(),
        peers: user::Peers { catalog: catalog_url },
    };
    let ended = tokio::spawn(user::serve(listener.into(), config, process));
    Served { url, certs, db, vhost, catalog, stop, ended }
}

fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, url)
}

impl Served {
    /// A client with that service's certificate.
    pub(crate) fn client(&self, name: &str) -> UserServiceClient<Channel> {
        let identity = Identity::load(&self.certs.settings_for(name)).unwrap();
        UserServiceClient::new(rpc::channel("user", &self.url, &identity).unwrap())
    }

    /// The user of an account with a key.
    pub(crate) async fn user(&self, address: u8) -> pb::User {
        self.client("auth").ensure_user(ensure(1, address)).await.unwrap().into_inner().user.unwrap()
    }

    /// A user with a name.
    pub(crate) async fn named(&self, address: u8, username: &str) -> pb::User {
        let user = self.user(address).await;
        let ask = profile(pb::Profile { username: username.to_owned(), ..Default::default() }, &["username"]);
        let answer = self.client("gateway").update_profile(acting(ask, &user)).await.unwrap();
        answer.into_inner().user.unwrap()
    }

    /// An admin, by the operator's word.
    pub(crate) async fn admin(&self, address: u8) -> pb::User {
        let who = Some(pb::set_role_request::Who::AccountId(ensure(1, address).account_id));
        let ask = pb::SetRoleRequest { who, role: "admin".into(), granted: true, ..Default::default() };
        self.client("operator").set_role(ask).await.unwrap().into_inner().user.unwrap()
    }

    pub(crate) async fn suspend(&self, user: &pb::User) {
        let user_id = user.user_id.clone();
        let ask = pb::SetStatusRequest { user_id, status: "suspended".into(), ..Default::default() };
        self.client("operator").set_status(ask).await.unwrap();
    }

    /// One number from the database.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db.pool).await.unwrap()
    }

    /// The messages of a key that were written, oldest first.
    pub(crate) async fn told(&self, key: &str) -> Vec<serde_json::Value> {
        sqlx::query_scalar("select body -> 'data' from outbox where routing_key = $1 order by id")
            .bind(key)
            .fetch_all(&self.db.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

pub(crate) fn ensure(chain: u64, address: u8) -> pb::EnsureUserRequest {
    let account_id = format!("eip155:{chain}:0x{}", format!("{address:02x}").repeat(20));
    pb::EnsureUserRequest { account_id, ..Default::default() }
}

/// A call for that person, with the roles that their token says.
pub(crate) fn acting<T>(message: T, user: &pb::User) -> Request<T> {
    let (user_id, roles) = (user.user_id.clone(), user.roles.clone());
    rpc::caller::acting(message, &Caller { user_id, roles, ..Caller::default() })
}

/// A call for somebody whom nobody knows.
pub(crate) fn acting_as_nobody<T>(message: T) -> Request<T> {
    let user_id = UserId::new().to_string();
    rpc::caller::acting(message, &Caller { user_id, ..Caller::default() })
}

pub(crate) fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

pub(crate) fn profile(profile: pb::Profile, paths: &[&str]) -> pb::UpdateProfileRequest {
    pb::UpdateProfileRequest { profile: Some(profile), update_mask: mask(paths), ..Default::default() }
}

/// What a refused call said: its code and its reason.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> (Code, String) {
    let problem = Problem::from(&answer.unwrap_err());
    (problem.code, problem.reason)
}

/// Answers by address; an unknown one has nothing. Away when it is told to be.
#[derive(Clone, Default)]
pub(crate) struct Catalog {
    pub(crate) figures: Arc<Mutex<HashMap<String, OwnerStats>>>,
    pub(crate) is_away: Arc<Mutex<bool>>,
    pub(crate) asked: Arc<Mutex<Vec<Vec<String>>>>,
}

macro_rules! not_asked {
    ($($name:ident: $request:ident -> $response:ident),* $(,)?) => {
        #[tonic::async_trait]
        impl CatalogService for Catalog {
            async fn owner_stats(
                &self,
                request: Request<OwnerStatsRequest>,
            ) -> Result<Response<OwnerStatsResponse>, Status> {
                let addresses = request.into_inner().addresses;
                self.asked.lock().unwrap().push(addresses.clone());
                if *self.is_away.lock().unwrap() {
                    return Err(Status::unavailable("down"));
                }
                let figures = self.figures.lock().unwrap();
                let owners = addresses.into_iter().map(|address| {
                    let nothing = OwnerStats {
                        volume_sold: "0".into(), volume_purchased: "0".into(), ..Default::default()
                    };
                    OwnerStats { address: address.clone(), ..figures.get(&address).cloned().unwrap_or(nothing) }
                });
                Ok(Response::new(OwnerStatsResponse { owners: owners.collect() }))
            }
            $(async fn $name(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented("not part of these tests"))
            })*
        }
    };
}

not_asked! {
    get_collection: GetCollectionRequest -> GetCollectionResponse,
    batch_get_collections: BatchGetCollectionsRequest -> BatchGetCollectionsResponse,
    list_collections: ListCollectionsRequest -> ListCollectionsResponse,
    get_token: GetTokenRequest -> GetTokenResponse,
    batch_get_tokens: BatchGetTokensRequest -> BatchGetTokensResponse,
    list_tokens: ListTokensRequest -> ListTokensResponse,
    list_owners: ListOwnersRequest -> ListOwnersResponse,
    list_activities: ListActivitiesRequest -> ListActivitiesResponse,
    put_pending_collection: PutPendingCollectionRequest -> PutPendingCollectionResponse,
    remove_pending_collection: RemovePendingCollectionRequest -> RemovePendingCollectionResponse,
    put_order: PutOrderRequest -> PutOrderResponse,
    get_order: GetOrderRequest -> GetOrderResponse,
    list_orders: ListOrdersRequest -> ListOrdersResponse,
    list_holders_at: ListHoldersAtRequest -> ListHoldersAtResponse,
}
