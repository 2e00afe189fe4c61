//! **gateway** is the one door for frontends: a GraphQL schema over the services, by HTTP and by WebSocket.
//!
//! | door in  | `http.rs`: `/graphql`, `/.well-known/jwks.json`; `websocket.rs`: `graphql-transport-ws`     |
//! | door out | every service, by gRPC; subs-worker's delivery log                                          |
//! | owns     | nothing: it decides nothing that a service should decide                                    |
//! | promises | a service that is down costs its own fields only; each client sees each event once          |

mod config;
mod cursor;
mod error;
mod http;
mod keys;
mod live;
mod loaders;
mod negotiate;
mod peers;
mod revoked;
mod schema;
mod socket;
mod viewer;
mod websocket;

use std::sync::Arc;

pub use config::Config;
pub use schema::sdl;

/// What the binary knows of itself before it has read anything.
pub static CARD: launch::Card<Config> = launch::Card::new("gateway", include_str!("../config.toml"));

/// Serves until the process is told to stop.
pub async fn run(config: Config, mut process: launch::Process) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let peers = peers::Peers::connect(&config.peers, &identity)?;
    let live = live::Live::new(peers.clone(), cursor::Seal::new(&config.cursor_key));
    let revoked = Arc::new(revoked::Revoked::default());
    let keys = Arc::new(keys::Keys::new(peers.clone()));
    let viewers = viewer::Viewers::new(&config, keys.clone(), revoked.clone());

    let stopping = process.stopping();
    process.task("live", live::follow(live.clone(), stopping.clone()));
    process.task("revocations", revoked::follow(revoked, peers.clone(), live.clone(), stopping.clone()));
    let schema = schema::build(&config, peers.clone(), live.clone());
    let door = http::Door::new(&config, schema, viewers, keys, live, peers, stopping);
    process.task("http", http::serve(config.http_addr, door));
    process.run().await
}
