//! **wallet** knows which accounts belong to which user, and who may move their tokens.
//!
//! | door in  | `grpc.rs`: links, wallets and what happened to them, approvals and their history      |
//! | door in  | `consumer.rs`: wallet.auth.logged_in, wallet.approvals.changed, wallet.tokens.changed |
//! | door out | `peers.rs`: auth, which checks who holds an account                                   |
//! | door out | `wallets.events`: wallet.linked, wallet.unlinked                                      |
//! | owns     | `wallet_db`: wallet_links, wallet_activity, wallet_verifications, approvals and its history; `wallet:approvals:cache:*`, `wallet:last-seen:*` |
//! | promises | an account has one user; a user has one primary wallet, and a login never changes it  |
//! |          | nobody takes an account from its owner, and nobody loses their last one               |
//! |          | approvals end the same in whatever order the chain's events come                      |

mod apply_approvals;
mod config;
mod consumer;
mod error;
mod grpc;
mod label_wallet;
mod link_wallet;
mod list_approvals;
mod make_primary;
mod model;
mod page;
mod peers;
mod store;
mod sweep;
mod unlink_wallet;
mod upsert_link;

pub use config::{Config, PeerUrls};

/// The schema of `wallet_db`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the binary knows of itself.
pub static CARD: launch::Card<Config> =
    launch::Card::new("wallet", include_str!("../config.toml")).migrations(&MIGRATOR);

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let listen = config.grpc.addr.into();
    serve(listen, config, process).await
}

/// Like [`run`], at a door that somebody else opened.
pub async fn serve(listen: rpc::Listen, config: Config, mut process: launch::Process) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let db = launch::postgres(&config.database_url, config.database_pool, &MIGRATOR, &mut process).await?;
    let redis = store::connect(&config.redis_url, &mut process)?;
    let (seen, cache) = (store::LastSeen::over(redis.clone()), store::ApprovalsCache::over(redis));
    let peers = peers::Peers::of(&config.peers, &identity)?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let stopping = process.stopping();
    let door = grpc::Door::new(db.clone(), peers, cache.clone());

    process.task("outbox relay", bus::outbox::relay(db.clone(), bus.clone(), stopping.clone()));
    process.task("logins", consumer::logins(bus.clone(), db.clone(), seen, stopping.clone()));
    process.task("approvals", consumer::approvals(bus.clone(), db.clone(), cache.clone(), stopping.clone()));
    process.task("transfers", consumer::transfers(bus, db.clone(), cache, stopping.clone()));
    process.task("sweep", sweep::run(db, stopping.clone()));
    process.task("grpc", rpc::serve(listen, identity, door.routes(), stopping));
    process.run().await
}
