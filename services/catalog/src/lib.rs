//! **catalog** is what people see of collections and tokens, computed from the chain's events in any order.
//!
//! | door in  | `consumer.rs`: every `catalog.*` queue; `grpc.rs`: the read API, PutPendingCollection, RemovePendingCollection, PutOrder |
//! | door out | `collections.domain`, `mints.domain`: upserted; `media`: ResolveMetadata                |
//! | owns     | `catalog_db`: the ledger, collections and their parts, tokens, balances, figures, metadata jobs, orders |
//! | promises | whatever the order, duplication or retraction of events, the tables equal a recomputation |
//! |          | from the ledger; what changed is told once, with a revision that only grows              |

mod apply_collections;
mod apply_metadata;
mod apply_moves;
mod apply_ranges;
mod audit;
mod config;
mod consumer;
mod error;
mod grpc;
mod list_holders_at;
mod model;
mod peers;
mod position;
mod put_order;
mod put_pending_collection;
mod record;
mod record_only;
mod remove_pending_collection;
mod resolve_metadata;
mod store;
mod tell;

pub use audit::audit;
pub use config::{Config, Peers};
pub use consumer::apply;
pub use grpc::routes;
pub use model::Difference;

/// The schema of `catalog_db`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the binary knows of itself.
pub static CARD: launch::Card<Config> =
    launch::Card::new("catalog", include_str!("../config.toml")).migrations(&MIGRATOR);

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let listen = config.grpc.addr.into();
    serve(listen, config, process).await
}

/// Like [`run`], at a door that somebody else opened.
pub async fn serve(listen: rpc::Listen, config: Config, mut process: launch::Process) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let db = launch::postgres(&config.database_url, config.database_pool, &MIGRATOR, &mut process).await?;
    let peers = peers::Peers::connect(&config.peers, &identity)?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let stopping = process.stopping();

    consumer::start(&bus, &db, config.catching_up(), &mut process);
    process.task("outbox relay", bus::outbox::relay(db.clone(), bus, stopping.clone()));
    let most = config.metadata_in_flight;
    process.task("metadata", resolve_metadata::resolve(db.clone(), peers.media, most, stopping.clone()));
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(db), stopping));
    process.run().await
}
