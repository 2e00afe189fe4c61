//! **chain-registry** knows the chains: where they answer, which contracts of ours they hold, what gas may cost.
//!
//! | door in  | `grpc.rs`: chains, endpoints, snapshots and streams of them, interfaces, proxies, fees; writes and the audit for operators and admins |
//! | door out | the endpoints of chains; the object store's bucket `abi-blobs`                                 |
//! | owns     | `chain_registry_db`: chains, chain_endpoints, chain_contracts, abi_blobs, chain_gas_policy, contract_impl_history, registry_version, audit; `cache:chains:{chainId}:{version}:{writtenAt}` |
//! | promises | an answer is one state of the registry and names its version; each change makes one version, and who watches is told of it within a moment |
//! |          | an endpoint's URL reaches the services that dial, and no log, cache or audit row               |

mod abi_text;
mod blobs;
mod bump_version;
mod chain_state;
mod chain_table;
mod change;
mod config;
mod enable_chain;
mod endpoint;
mod error;
mod follow_versions;
mod get_abi;
mod grpc;
mod list_audit;
mod model;
mod nodes;
mod observe_fees;
mod price;
mod proxy;
mod remove_contract;
mod resolve_proxy;
mod seed;
mod set_endpoints;
mod set_gas_policy;
mod snapshot;
mod store;
mod suggest_fees;
mod sweep_audit;
mod upsert_chain;
mod upsert_contract;
mod watch_snapshot;

pub use config::{Bucket, Config};

/// The schema of `chain_registry_db`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the binary knows of itself.
pub static CARD: launch::Card<Config> =
    launch::Card::new("chain-registry", include_str!("../config.toml")).migrations(&MIGRATOR);

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let listen = config.grpc.addr.into();
    serve(listen, config, process).await
}

/// Like [`run`], at a door that somebody else opened.
pub async fn serve(listen: rpc::Listen, config: Config, mut process: launch::Process) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let db = launch::postgres(&config.database_url, config.database_pool, &MIGRATOR, &mut process).await?;
    let cache = store::Cache::open(&config.redis_url, &mut process)?;
    let blobs = blobs::Blobs::open(&config.s3, &mut process)?;
    if let Some(path) = &config.seed {
        seed::sow(&db, &blobs, path).await?;
    }
    let stopping = process.stopping();
    let snapshots = snapshot::Snapshots::new(db.clone(), cache);
    let following = follow_versions::follow_versions(db.clone(), snapshots.clone(), stopping.clone());
    process.task("versions", following);
    process.task("sweep", sweep_audit::sweep_audit(db.clone(), stopping.clone()));
    let door = grpc::Door {
        db,
        snapshots,
        blobs,
        nodes: nodes::Nodes::default(),
        fees: suggest_fees::FeeWatch::default(),
        watchers: watch_snapshot::Watchers::new(config.watchers, stopping.clone()),
    };
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(door), stopping));
    process.run().await
}
