//! **indexer** tells what happened on every chain: each event once, and taken back when its block is.
//!
//! | door in  | the chains' nodes, by `follow`; `grpc.rs`: ListCheckpoints, GetTransactionEvents                  |
//! | asks     | chain-registry.WatchSnapshot: which chains, and where they answer                                  |
//! | door out | `collections.events`: created, updated; `mints.events`: minted, transferred, burned, metadata;    |
//! |          | `wallets.events`: approval                                                                        |
//! | owns     | `indexer_db`: indexer_checkpoints, blocks, block_batches, followed_contracts, reorg_history,      |
//! |          | leases, outbox; Mongo `events.raw`                                                                |
//! | promises | nothing is told that was not committed, nothing committed is told twice; one worker a chain; a    |
//! |          | reorganisation inside the window is retracted event by event, a deeper one halts its chain        |

mod batch;
mod config;
mod decode;
mod error;
mod follow;
mod grpc;
mod metrics;
mod model;
mod progress;
mod read_contract;
mod record;
mod registry;
mod store;

pub use config::{Config, Follow, Peers};
use futures::FutureExt;
use proto::chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient;
use std::time::Duration;

/// The migrations of `indexer_db`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the binary knows of itself before it has read anything.
pub static CARD: launch::Card<Config> =
    launch::Card::new("indexer", include_str!("../config.toml")).migrations(&MIGRATOR);

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind(config.grpc.addr)?;
    run_on(listener, config, process).await
}

/// The same behind a door that is open already, so that who opened it knows where it is.
pub async fn run_on(
    listener: std::net::TcpListener,
    config: Config,
    mut process: launch::Process,
) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let db = launch::postgres(&config.database_url, config.database_pool, &MIGRATOR, &mut process).await?;
    let raw = store::raw::RawStore::connect(&config.mongo_url, &config.mongo_database).await?;
    let stores = store::Stores { db: db.clone(), raw: raw.clone() };
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let progress = progress::Progress::default();
    let stopping = process.stopping();
    let registry = rpc::channel("chain-registry", &config.peers.chain_registry, &identity)?;
    let registry = ChainRegistryServiceClient::new(registry);
    let (chains, watching) = chains::Chains::watch(registry, stopping.clone());

    process.ready("mongo", move || {
        let raw = raw.clone();
        async move { raw.ping().await.map(|()| serde_json::Value::Null).map_err(|err| err.to_string()) }
            .boxed()
    });
    let (shown, scraped, stalled) = (progress.clone(), progress.clone(), config.follow.stalled_secs);
    process.ready("chains", move || std::future::ready(shown.ready(Duration::from_secs(stalled))).boxed());
    process.on_scrape(move || metrics::refresh(&scraped));

    let routes = grpc::routes(stores.clone(), progress.clone());
    process.task("relay", bus::outbox::relay(db, bus, stopping.clone()));
    process.task("chains", watching);
    process.task("follow", follow::follow(stores, chains, config.follow, progress, stopping.clone()));
    process.task("grpc", rpc::serve(listener, identity, routes, stopping));
    process.run().await
}
