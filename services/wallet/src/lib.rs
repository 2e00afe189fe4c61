//! **wallet** knows which accounts belong to which user, and who may move their tokens.
//!
//! | door in  | `grpc.rs`: UpsertLink, ResolveAccounts, BatchListWallets, ListApprovals               |
//! | door in  | `consumer.rs`: wallet.auth.logged_in, wallet.approvals.changed                        |
//! | door out | `wallets.events`: wallet.linked                                                       |
//! | owns     | `wallet_db`: wallet_links, wallet_activity, wallet_verifications, approvals and its history; `wallet:last-seen:*` |
//! | promises | an account has one user; a user has one primary wallet, and a login never changes it  |
//! |          | approvals end the same in whatever order the chain's events come                      |

mod apply_approvals;
mod config;
mod consumer;
mod error;
mod grpc;
mod model;
mod page;
mod store;
mod upsert_link;

pub use config::Config;

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
    let seen = store::LastSeen::open(&config.redis_url, &mut process)?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let stopping = process.stopping();

    process.task("outbox relay", bus::outbox::relay(db.clone(), bus.clone(), stopping.clone()));
    process.task("logins", consumer::logins(bus.clone(), db.clone(), seen, stopping.clone()));
    process.task("approvals", consumer::approvals(bus, db.clone(), stopping.clone()));
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(db), stopping));
    process.run().await
}
