//! **gateway** is the one door for frontends: a GraphQL schema over the services, by HTTP and by WebSocket.
//!
//! | door in  | `http.rs`: `/graphql`; `twins`: `/auth/…`; `websocket.rs`: `graphql-transport-ws`           |
//! | door out | every service, by gRPC; subs-worker's delivery log; the indexer's checkpoints                |
//! | owns     | nothing: it decides nothing that a service should decide                                    |
//! | promises | a service that is down costs its own fields only; each client sees each event once          |

mod accept;
mod checkpoints;
mod config;
mod cookies;
mod cursor;
mod error;
mod forgery;
mod http;
mod keys;
mod live;
mod loaders;
mod negotiate;
mod patience;
mod peers;
mod proxies;
mod revoked;
mod schema;
mod seat;
mod session;
mod socket;
mod token;
mod twins;
mod viewer;
mod visitor;
mod websocket;

use std::sync::Arc;

use anyhow::Context;
use futures::future::BoxFuture;
use tokio::net::TcpListener;

pub use config::Config;
pub use schema::sdl;

/// What the binary knows of itself before it has read anything.
pub static CARD: launch::Card<Config> = launch::Card::new("gateway", include_str!("../config.toml"));

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let addr = config.http_addr;
    let listener =
        TcpListener::bind(addr).await.with_context(|| format!("http_addr: cannot listen on {addr}"))?;
    serve(listener, config, process).await
}

/// The same behind a socket that listens already.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    mut process: launch::Process,
) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let peers = peers::Peers::connect(&config.peers, &identity)?;
    let live = live::Live::new(peers.clone(), cursor::Seal::new(&config.cursor_key));
    let revoked = Arc::new(revoked::Revoked::default());
    let keys = Arc::new(keys::Keys::of(peers.clone()));
    let viewers = viewer::Viewers::new(&config, keys.clone(), revoked.clone());

    let (asked, loaded) = (keys.clone(), revoked.clone());
    process.ready("keys", move || state(asked.are_known(), "no public keys of auth"));
    process.ready("revocations", move || state(loaded.is_loaded(), "ended sessions were never loaded"));
    let stopping = process.stopping();
    process.task("keys", keys::follow(keys.clone(), stopping.clone()));
    process.task("live", live::follow(live.clone(), stopping.clone()));
    process.task("revocations", revoked::follow(revoked, peers.clone(), live.clone(), stopping.clone()));
    let checkpoints = checkpoints::Checkpoints::new();
    process.task("checkpoints", checkpoints::follow(checkpoints.clone(), peers.clone(), stopping.clone()));
    let schema = schema::build(&config, peers.clone(), live, checkpoints);
    let door = http::Door::new(&config, schema, viewers, keys, peers, stopping);
    process.task("http", http::serve(listener, door));
    process.run().await
}

/// Without either no token can be checked: such a gateway is of use to guests only.
fn state(is_there: bool, otherwise: &'static str) -> BoxFuture<'static, Result<serde_json::Value, String>> {
    let known = if is_there { Ok(serde_json::Value::Null) } else { Err(otherwise.to_owned()) };
    Box::pin(std::future::ready(known))
}
