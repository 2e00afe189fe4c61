//! **subs-worker** brings what happened from the broker to every gateway, each thing once.
//!
//! | door in  | `consumer.rs`: every `subs.*` queue; `grpc.rs`: Watch                                      |
//! | door out | `orchestrator`: ResolveIntent                                                              |
//! | owns     | Redis `{subs}:*`: the delivery stream, its epoch, marks and revisions                      |
//! | promises | a message is appended once; an older revision never after a newer one; a reader that comes |
//! |          | back inside the window misses nothing, outside it is told so                               |

mod append;
mod config;
mod consumer;
mod error;
mod grpc;
mod model;
mod peers;
mod resolve_intent;
mod store;
mod tail;

pub use config::{Config, Peers, Window};

/// What the binary knows of itself before it has read anything.
pub static CARD: launch::Card<Config> = launch::Card::new("subs-worker", include_str!("../config.toml"));

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    serve(config.grpc.addr.into(), config, process).await
}

/// The same on a listener that a test has bound.
pub async fn serve(listen: rpc::Listen, config: Config, mut process: launch::Process) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let log = store::Log::connect(&config.redis_url, config.window, &mut process).await?;
    let peers = peers::Peers::connect(&config.peers, &identity)?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);

    consumer::start(&bus, &log, &peers, &mut process);
    let tail = tail::Tail::new();
    process.task("tail", tail::follow(log.clone(), tail.clone(), process.stopping()));
    process.task("trim", tail::trim(log.clone(), process.stopping()));
    let stopping = process.stopping();
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(log, tail, stopping.clone()), stopping));
    process.run().await
}
