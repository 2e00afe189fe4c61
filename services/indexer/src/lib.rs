//! **indexer** tells what happened on every chain: each event once, and taken back when its block is.
//!
//! | door in  | the chains' nodes, by `follow`; `grpc.rs`: how far chains are read, raw events, probes, payers,    |
//! |          | and work over ranges of blocks                                                                    |
//! | asks     | chain-registry.WatchSnapshot: which chains, and where they answer                                  |
//! | door out | `collections.events`: created, updated; `mints.events`: minted, transferred, burned, metadata;    |
//! |          | `wallets.events`: approval; `orders.events`: validated, filled, cancelled, counters, payments     |
//! | owns     | `indexer_db`: indexer_checkpoints, blocks, block_batches, old_generations, followed_contracts,    |
//! |          | followed_payers, jobs, job_contracts, reorg_history, leases, outbox; Mongo `events.raw`           |
//! | promises | nothing is told that was not committed, nothing committed is told twice; one worker a chain; a    |
//! |          | reorganisation inside the window is retracted event by event, a deeper one halts its chain        |

mod batch;
mod config;
mod decode;
mod error;
mod follow;
mod grpc;
mod jobs;
mod metrics;
mod model;
mod probe;
mod progress;
mod read_contract;
mod record;
mod registry;
mod store;

pub use config::{Config, Follow, Peers};
use futures::FutureExt;
use proto::chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const JOBS_COUNTED_EVERY: Duration = Duration::from_secs(10);
/// A head that no commit has brought to the row of its chain is written there so often.
const HEADS_TOLD_EVERY: Duration = Duration::from_secs(5);

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
    let stalled = Duration::from_secs(config.follow.stalled_secs);
    let (shown, known) = (progress.clone(), chains.clone());
    process.ready("chains", move || std::future::ready(shown.ready(stalled, block_time(&known))).boxed());
    let (scraped, known) = (progress.clone(), chains.clone());
    process.on_scrape(move || metrics::refresh(&scraped, &known));

    let routes = grpc::routes(stores.clone(), chains.clone(), progress.clone(), stopping.clone());
    process.task("relay", bus::outbox::relay(db.clone(), bus, stopping.clone()));
    process.task("chains", watching);
    process.task("job counts", jobs_counted(db.clone(), stopping.clone()));
    process.task("heads", heads_told(db.clone(), progress.clone(), stopping.clone()));
    process.task("follow", follow::follow(stores, chains, config.follow, progress, stopping.clone()));
    process.task("grpc", rpc::serve(listener, identity, routes, stopping));
    process.run().await
}

/// How long a chain's blocks usually take; a second where nobody knows.
fn block_time(chains: &chains::Chains) -> impl Fn(ids::ChainId) -> Duration + use<> {
    let known = chains.now();
    move |chain_id| {
        let chain = known.as_ref().and_then(|known| known.chains.get(&chain_id));
        chain.map_or(Duration::from_secs(1), |chain| chain.block_time)
    }
}

/// Writes down the heads of chains that are followed here and have nothing to commit: the other processes know of them
/// from there. What fails is tried again with the next one; a commit writes its own.
async fn heads_told(
    db: sqlx::PgPool,
    progress: progress::Progress,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(HEADS_TOLD_EVERY) => {}
        }
        for (chain_id, seen) in progress.all() {
            let Some((head, indexed)) = seen.news(HEADS_TOLD_EVERY) else { continue };
            if let Err(err) = store::status::update_head(&db, chain_id, head, indexed).await {
                tracing::debug!(chain.id = %chain_id, error = %err, "a head could not be written down");
            }
        }
    }
}

/// Keeps `/metrics` told of pieces of work. A look that fails is left out: that the database is away is said elsewhere.
async fn jobs_counted(db: sqlx::PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        if let Ok(counts) = store::status::count_jobs(&db).await {
            metrics::show_jobs(&counts);
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(JOBS_COUNTED_EVERY) => {}
        }
    }
}
