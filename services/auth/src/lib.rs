//! **auth** lets people in by their wallet's signature and knows their sessions.
//!
//! | door in  | `grpc.rs`: IssueNonce, VerifySiwe, ValidateSession, RevokeSessions, GetJwks, ListRevocations |
//! | door in  | `consumer.rs`: auth.users.changed, auth.wallets.changed                                |
//! | door out | `auth.events`: user.logged_in, session.revoked                                         |
//! | asks     | wallet.ResolveAccounts, wallet.UpsertLink, user.EnsureUser, chain-registry.ListChains  |
//! | owns     | `auth_db`; `siwe:nonce:*` and `session:blacklist:*` as mirrors of it                   |
//! | promises | a nonce opens one session at most; a known account signs in while every other service is down |

mod access_token;
mod chains;
mod config;
mod consumer;
mod error;
mod follow_user;
mod follow_wallet;
mod grpc;
mod issue_nonce;
mod model;
mod peers;
mod revoke_sessions;
mod signature;
mod signing_key;
mod siwe;
mod store;
mod sweep;
mod verify_siwe;
mod who_is;

pub use config::{Config, PeerUrls};

/// The schema of `auth_db`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the binary knows of itself.
pub static CARD: launch::Card<Config> =
    launch::Card::new("auth", include_str!("../config.toml")).migrations(&MIGRATOR);

/// Serves until the process is told to stop.
pub async fn run(config: Config, process: launch::Process) -> anyhow::Result<()> {
    let listen = config.grpc.addr.into();
    serve(listen, config, process).await
}

/// Like [`run`], at a door that somebody else opened.
pub async fn serve(listen: rpc::Listen, config: Config, mut process: launch::Process) -> anyhow::Result<()> {
    let rules = siwe::Rules::of(&config)?;
    let identity = rpc::Identity::load(&config.grpc)?;
    let db = launch::postgres(&config.database_url, config.database_pool, &MIGRATOR, &mut process).await?;
    let mirror = store::Mirror::open(&config.redis_url, &mut process)?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let stopping = process.stopping();
    let peers = peers::Peers::of(&config.peers, &identity)?;
    let key = signing_key::ensure(&db).await?;
    let tokens = access_token::Issuer::new(config.issuer, key);
    let door = grpc::Door::new(db.clone(), rules, peers, tokens, mirror.clone());

    process.task("outbox relay", bus::outbox::relay(db.clone(), bus.clone(), stopping.clone()));
    process.task("users", consumer::users(bus.clone(), db.clone(), mirror.clone(), stopping.clone()));
    process.task("wallets", consumer::wallets(bus, db.clone(), mirror, stopping.clone()));
    process.task("sweep", sweep::run(db, stopping.clone()));
    process.task("grpc", rpc::serve(listen, identity, door.routes(), stopping));
    process.run().await
}
