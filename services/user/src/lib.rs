//! **user** knows people: who they are, whatever wallets they use, and what they may do.
//!
//! | door in  | `grpc.rs`: EnsureUser, GetUser, BatchGetUsers                                          |
//! | door in  | `consumer.rs`: user.auth.logged_in, user.wallets.changed, user.stats.changed           |
//! | door out | `users.events`, through the outbox                                                     |
//! | owns     | `user_db`: users, user_accounts, user_roles, profiles, user_preferences, user_stats, user_follows |
//! | promises | an account has one user, however many ask at once; wallet's word about accounts is final |

mod config;
mod consumer;
mod ensure_user;
mod error;
mod follow_wallet;
mod grpc;
mod mark_stats;
mod model;
mod store;

pub use config::Config;

/// The schema of `user_db`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the binary knows of itself.
pub static CARD: launch::Card<Config> =
    launch::Card::new("user", include_str!("../config.toml")).migrations(&MIGRATOR);

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let listen = config.grpc.addr.into();
    serve(listen, config, process).await
}

/// Like [`run`], at a door that somebody else opened.
pub async fn serve(listen: rpc::Listen, config: Config, mut process: launch::Process) -> anyhow::Result<()> {
    let identity = rpc::Identity::load(&config.grpc)?;
    let db = launch::postgres(&config.database_url, config.database_pool, &MIGRATOR, &mut process).await?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let stopping = process.stopping();

    process.task("outbox relay", bus::outbox::relay(db.clone(), bus.clone(), stopping.clone()));
    process.task("logins", consumer::logins(bus.clone(), db.clone(), stopping.clone()));
    process.task("wallets", consumer::wallets(bus.clone(), db.clone(), stopping.clone()));
    process.task("stats", consumer::stats(bus, db.clone(), stopping.clone()));
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(db), stopping));
    process.run().await
}
