//! For tests: services that answer what they were told and count their calls, and the schema over them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_graphql::{Request, Response};
use axum::{Router, body::Bytes, extract::State};
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::{BodyExt, Full};
use ids::{SessionId, UserId};
use prost::Message;
use proto::chainregistry::v1 as registry;
use rpc::Identity;
use serde_json::Value;
use testkit::Certs;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use crate::{config, cursor::Seal, loaders::Loaders, peers::Peers, viewer::Viewer};

pub(super) type Answers = BTreeMap<&'static str, Result<Vec<u8>, Status>>;

/// Services that answer what they were told, whatever is asked.
#[derive(Clone, Default)]
struct Played {
    answers: Arc<Answers>,
    calls: Arc<Mutex<Vec<(String, Bytes)>>>,
    /// The lines to those who watch checkpoints.
    watchers: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>,
}

async fn play(State(played): State<Played>, uri: Uri, asked: Bytes) -> axum::response::Response {
    let name = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    if name == "WatchCheckpoints" {
        let (line, heard) = mpsc::channel(16);
        played.watchers.lock().unwrap().push(line);
        let body = ReceiverStream::new(heard).map(Ok::<_, std::convert::Infallible>);
        let body = axum::body::Body::from_stream(body);
        return http::Response::builder().header("content-type", "application/grpc").body(body).unwrap();
    }
    let answer = played.answers.get(name.as_str()).cloned();
    played.calls.lock().unwrap().push((name.clone(), asked.slice(asked.len().min(5)..)));
    match answer.unwrap_or_else(|| Err(Status::internal(format!("{name} is not played")))) {
        Ok(message) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = Full::new(framed(&message)).with_trailers(async { Some(Ok(trailers)) });
            let body = axum::body::Body::new(body);
            http::Response::builder().header("content-type", "application/grpc").body(body).unwrap()
        }
        Err(status) => status.into_http(),
    }
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

/// Services that are played, and the gateway's schema over them.
pub(super) struct Fleet {
    played: Played,
    pub(super) peers: Peers,
    _certs: Certs,
    _stop: DropGuard,
}

impl Fleet {
    pub(super) async fn start(answers: Answers) -> Fleet {
        let played = Played { answers: answers.into(), ..Played::default() };
        let (certs, stop) = (testkit::certs(), CancellationToken::new());
        let mut urls = Vec::new();
        for name in ["user", "wallet", "orchestrator", "catalog", "chain-registry", "indexer"] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            urls.push(format!("https://{}", listener.local_addr().unwrap()));
            let identity = Identity::load(&certs.settings_for(name)).unwrap();
            let router = Router::new().fallback(play).with_state(played.clone());
            tokio::spawn(rpc::serve(listener, identity, router.into(), stop.clone()));
        }
        let nowhere: url::Url = "https://127.0.0.1:1".parse().unwrap();
        let urls = config::Peers {
            auth: nowhere.clone(),
            user: urls[0].parse().unwrap(),
            wallet: urls[1].parse().unwrap(),
            orchestrator: urls[2].parse().unwrap(),
            media: nowhere.clone(),
            chain_registry: urls[4].parse().unwrap(),
            catalog: urls[3].parse().unwrap(),
            indexer: urls[5].parse().unwrap(),
            subs_worker: nowhere,
        };
        let identity = Identity::load(&certs.settings_for("gateway")).unwrap();
        let peers = Peers::connect(&urls, &identity).unwrap();
        Fleet { played, peers, _certs: certs, _stop: stop.drop_guard() }
    }

    /// An answer with its errors.
    pub(super) async fn ask(&self, query: &str, viewer: Option<&Viewer>) -> Response {
        super::builder().finish().execute(self.request(query, viewer)).await
    }

    /// A request with all that resolvers need.
    pub(super) fn request(&self, query: &str, viewer: Option<&Viewer>) -> Request {
        let seal = Seal::new(&"a key for tests".to_owned().into());
        let request = Request::new(query).data(self.peers.clone()).data(seal).data(Loaders::new(&self.peers));
        match viewer {
            Some(viewer) => request.data(viewer.clone()),
            None => request,
        }
    }

    /// An answer without errors.
    pub(super) async fn data(&self, query: &str, viewer: Option<&Viewer>) -> Value {
        let answer = self.ask(query, viewer).await;
        assert!(answer.errors.is_empty(), "{query}: {:?}", answer.errors);
        answer.data.into_json().unwrap()
    }

    /// How many watch checkpoints.
    pub(super) fn watchers(&self) -> usize {
        let mut watchers = self.played.watchers.lock().unwrap();
        watchers.retain(|line| !line.is_closed());
        watchers.len()
    }

    /// Tells everybody who watches checkpoints.
    pub(super) async fn tell(&self, message: &impl Message) {
        let lines = self.played.watchers.lock().unwrap().clone();
        for line in lines {
            line.send(framed(&message.encode_to_vec())).await.unwrap();
        }
    }

    /// The indexer goes away for a moment.
    pub(super) fn cut(&self) {
        self.played.watchers.lock().unwrap().clear();
    }

    /// The calls since this was last asked, by name.
    pub(super) fn calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.played.calls.lock().unwrap());
        let mut calls: Vec<String> = calls.into_iter().map(|(name, _)| name).collect();
        calls.sort();
        calls
    }

    /// What the last of those calls was asked.
    pub(super) fn asked<M: Message + Default>(&self, name: &str) -> M {
        let calls = self.played.calls.lock().unwrap();
        let (_, asked) = calls.iter().rfind(|(called, _)| called == name).unwrap();
        M::decode(asked.clone()).unwrap()
    }
}

/// Somebody who has signed in.
pub(super) fn viewer(user_id: UserId) -> Viewer {
    Viewer {
        user_id,
        session_id: SessionId::new(),
        account_id: "eip155:1:0x0707070707070707070707070707070707070707".parse().unwrap(),
        roles: vec!["user".to_owned()],
        expires_at: chrono::Utc::now(),
    }
}

/// Somebody who may do everything.
pub(super) fn admin() -> Viewer {
    Viewer { roles: vec!["user".to_owned(), "admin".to_owned()], ..viewer(UserId::new()) }
}

pub(super) const CHAIN: &str = "eip155:31337";
pub(super) const CONTRACT: &str = "0x0707070707070707070707070707070707070707";
pub(super) const WRAPPED: &str = "0x0808080808080808080808080808080808080808";
pub(super) const UNKNOWN: &str = "0x0909090909090909090909090909090909090909";

/// One chain, with its wrapped currency.
pub(super) fn chains() -> registry::ListChainsResponse {
    let wrapped = registry::Contract {
        name: "wrapped_native".to_owned(),
        address: WRAPPED.to_owned(),
        abi_sha256: "ab".repeat(32),
        ..Default::default()
    };
    let chain = registry::Chain {
        chain_id: CHAIN.to_owned(),
        native_symbol: "ETH".to_owned(),
        decimals: 18,
        enabled: true,
        version: 7,
        block_time_millis: 12_000,
        finality_blocks: 64,
        features_json: "{\"blobs\":true}".to_owned(),
        contracts: vec![wrapped],
        ..Default::default()
    };
    registry::ListChainsResponse { chains: vec![chain], version: 7 }
}
