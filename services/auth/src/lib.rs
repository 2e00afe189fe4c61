//! **auth** lets people in by their wallet's signature and knows their sessions.
//!
//! | door in  | `grpc.rs`: IssueNonce, VerifySiwe, VerifyOwnership, RefreshSession, ValidateSession, ListSessions, RevokeSessions, |
//! |          | ListLoginEvents, SetIntentContext, GetJwks, ListRevocations, RotateSigningKey          |
//! | door in  | `consumer.rs`: auth.users.changed, auth.wallets.changed                                |
//! | door out | `auth.events`: user.logged_in, session.revoked                                         |
//! | asks     | wallet.ResolveAccounts, wallet.UpsertLink, user.EnsureUser, chain-registry.WatchSnapshot |
//! | asks     | nodes of a chain, about what no key signed                                             |
//! | owns     | `auth_db`; `siwe:nonce:*` and `session:blacklist:*` as mirrors of it; `rate:auth:*`   |
//! | promises | a nonce opens one session at most; a known account signs in while every other service is down |

mod access_token;
mod ask_again;
mod chains;
mod config;
mod consumer;
mod contract;
mod error;
mod follow_user;
mod follow_wallet;
mod grpc;
mod issue_nonce;
mod limit;
mod list_login_events;
mod list_sessions;
mod login_event;
mod model;
mod peers;
mod prove_account;
mod refresh_session;
mod revoke_sessions;
mod rotation;
mod set_intent_context;
mod signature;
mod signing_key;
mod siwe;
mod store;
mod sweep;
mod verify_ownership;
mod verify_siwe;
mod who_is;

pub use config::{Config, Limits, PeerUrls};
use proto::chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient;

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
    // A new key signs ten minutes after it was made: until then everybody must have read it.
    let reload = config.key_reload_secs;
    anyhow::ensure!((1..=300).contains(&reload), "key_reload_secs: it must be 1 to 300, not {reload}");
    let identity = rpc::Identity::load(&config.grpc)?;
    let db = launch::postgres(&config.database_url, config.database_pool, &MIGRATOR, &mut process).await?;
    let mirror = store::Mirror::open(&config.redis_url, &mut process)?;
    let bus = bus::Bus::connect(&config.amqp_url, &mut process);
    let stopping = process.stopping();
    let limits = limit::Limits::open(config.limits, &config.redis_url)?;
    let registry = rpc::channel("chain-registry", &config.peers.chain_registry, &identity)?;
    let (told, watching) =
        ::chains::Chains::watch(ChainRegistryServiceClient::new(registry), stopping.clone());
    let peers = peers::Peers::of(&config.peers, &identity, limits.clone(), told, db.clone())?;
    let max_age = chrono::TimeDelta::days(config.key_max_age_days.into());
    let keys = signing_key::Keyring::open(db.clone(), max_age).await?;
    let keys_every = std::time::Duration::from_secs(config.key_reload_secs.into());
    let tokens = access_token::Issuer::new(config.issuer, keys.clone());
    let asker = ask_again::Asker::new(db.clone(), mirror.clone(), peers.contracts.clone());
    let chains = (peers.chains.clone(), peers.contracts.clone());
    let door = grpc::Door::new(db.clone(), rules, peers, tokens, mirror.clone(), limits, asker.clone());

    process.task("outbox relay", bus::outbox::relay(db.clone(), bus.clone(), stopping.clone()));
    process.task("users", consumer::users(bus.clone(), db.clone(), mirror.clone(), stopping.clone()));
    process.task("wallets", consumer::wallets(bus, db.clone(), mirror, stopping.clone()));
    process.task("signing keys", keys.run(keys_every, stopping.clone()));
    process.task("chains", watching);
    process.task("known chains", chains.0.clone().keep(stopping.clone()));
    process.task("contract accounts", try_out(chains, stopping.clone()));
    process.task("contract sessions", asker.run(stopping.clone()));
    process.task("sweep", sweep::run(db, stopping.clone()));
    process.task("grpc", rpc::serve(listen, identity, door.routes(), stopping));
    process.run().await
}

/// Nobody waits for it: where it fails, whoever signs in tries again.
async fn try_out(
    (chains, contracts): (chains::Chains, contract::Contracts),
    stopping: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let trying = async {
        if let Ok(enabled) = chains.enabled().await {
            contracts.try_out(&enabled).await;
        }
    };
    stopping.run_until_cancelled(trying).await;
    stopping.cancelled().await;
    Ok(())
}
