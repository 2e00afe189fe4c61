//! **chain-registry** knows the chains: where they answer, which contracts of ours they hold, what gas may cost.
//!
//! | door in  | `grpc.rs`: ListChains, GetChain, ListEndpoints; UpsertChain, UpsertContract for operators  |
//! | owns     | `chain_registry_db`: chains, chain_endpoints, chain_contracts, abi_blobs, chain_gas_policy, contract_impl_history, registry_version, audit; `cache:chains:{chainId}:{version}` |
//! | promises | an answer is one state of the registry and names its version; each write makes one version |
//! |          | an endpoint's URL reaches the services that dial, and no log, cache or audit row           |

mod config;
mod endpoint;
mod error;
mod grpc;
mod model;
mod seed;
mod snapshot;
mod store;
mod upsert_chain;
mod upsert_contract;

pub use config::Config;

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
    if let Some(path) = &config.seed {
        seed::sow(&db, path).await?;
    }
    let stopping = process.stopping();
    let snapshots = snapshot::Snapshots::new(db.clone(), cache);
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(db, snapshots), stopping));
    process.run().await
}
