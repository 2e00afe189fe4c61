//! **user** knows people: who they are, whatever wallets they use, and what they may do.
//!
//! | door in  | `grpc.rs`: users, profiles, preferences, follows, figures, roles and status            |
//! | door in  | `consumer.rs`: user.auth.logged_in, user.wallets.changed, user.stats.changed           |
//! | door out | `users.events`, through the outbox; `catalog`: OwnerStats                              |
//! | owns     | `user_db`: users, user_accounts, user_roles, user_audit, profiles, profile_requests,   |
//! |          | user_preferences, user_stats, user_follows; `user:profile:*`                           |
//! | promises | an account has one user, however many ask at once; wallet's word about accounts is final |
//! |          | a name has one user in whatever case; counters are what the rows are                   |
//! |          | there is an admin left, and each change of rights is in the record                     |

mod change_roles;
mod config;
mod consumer;
mod ensure_user;
mod error;
mod find_users;
mod follow_wallet;
mod grpc;
mod list_follows;
mod mark_stats;
mod model;
mod peers;
mod refresh_stats;
mod set_follow;
mod set_role;
mod set_status;
mod store;
mod sweep;
mod update_preferences;
mod update_profile;

pub use config::{Config, Peers};

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
    let cache = store::Cache::open(&config.redis_url)?;
    cache.watch(&mut process);
    let catalog = peers::Peers::connect(&config.peers, &identity)?.catalog;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let stop = process.stopping();

    process.task("outbox relay", bus::outbox::relay(db.clone(), bus.clone(), stop.clone()));
    process.task("logins", consumer::logins(bus.clone(), db.clone(), stop.clone()));
    process.task("wallets", consumer::wallets(bus.clone(), db.clone(), stop.clone()));
    process.task("stats", consumer::stats(bus, db.clone(), cache.clone(), stop.clone()));
    process.task("figures", refresh_stats::refresh_stats(db.clone(), cache.clone(), catalog, stop.clone()));
    process.task("sweep", sweep::sweep(db.clone(), stop.clone()));
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(db, cache, config.media_url), stop));
    process.run().await
}
