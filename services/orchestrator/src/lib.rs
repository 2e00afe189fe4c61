//! **orchestrator** prepares what users sign, and follows it to its end. It holds no key.
//!
//! | door in  | `grpc.rs`: PrepareCreateCollection, PrepareMint721, PrepareMint1155, GetMintEligibility; `grpc/market.rs`: approvals, listings, offers, SubmitOrder, buying, accepting, cancelling; `grpc/allowlists.rs`; `grpc/intents.rs`: TrackTx, GetIntent, ListIntents, CancelIntent, ResolveIntent for subs-worker |
//! | door out | `intents.domain`: upserted.{intentId}                                                      |
//! | asks     | chain-registry, catalog (which keeps the orders), wallet, indexer (how far a chain is read; it follows whose offers are kept); tells auth.SetIntentContext what a session is preparing |
//! | owns     | `orchestrator_db`: tx_intents, tx_intent_steps, tx_candidates, catalogued_entities, catalogued_txs, session_intent_audit, allowlists, allowlist_trees, allowlist_members; `intent:status:{intentId}` |
//! | promises | one request id of a user is one intent, whatever was sent at once or lost on the way       |
//! |          | a state that ends an intent is true: the chain's depth was waited for                      |

mod allowlist;
mod ask;
mod cancel_intent;
mod chains;
mod change;
mod conclude;
mod config;
mod eligibility;
mod encode;
mod error;
mod fact;
mod fees;
mod find_taker;
mod follow;
mod get_mint_eligibility;
mod grpc;
mod intent;
mod look;
mod look_at_order;
mod market;
mod model;
mod observe;
mod outcome;
mod page;
mod peers;
mod pending_collection;
mod prepare;
mod prepare_approve;
mod prepare_create_collection;
mod prepare_mint;
mod prepare_revoke_approval;
mod read_collection;
mod read_token;
mod resolve_intent;
mod revert;
mod simulate;
mod store;
mod track_tx;

#[cfg(test)]
mod decode_with_viem_tests;
#[cfg(test)]
mod intent_tests;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

pub use config::{Config, PeerUrls};

/// The schema of `orchestrator_db`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
/// What the binary knows of itself.
pub static CARD: launch::Card<Config> =
    launch::Card::new("orchestrator", include_str!("../config.toml")).migrations(&MIGRATOR);

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
    let peers = peers::Peers::of(&config.peers, &identity)?;
    let (chains, watching) = chains::Chains::watch(peers.registry.clone(), process.stopping());
    let statuses = store::Statuses::open(&config.redis_url, &mut process)?;
    let woken = Arc::new(tokio::sync::Notify::new());
    let stopping = process.stopping();

    let follower = look::Follower {
        db: db.clone(),
        chains: chains.clone(),
        peers: peers.clone(),
        statuses: statuses.clone(),
        drop_after: TimeDelta::seconds(config.drop_after_secs.into()),
    };
    let every = Duration::from_millis(config.follow_every_millis.into());
    let tools = prepare::Tools {
        db: db.clone(),
        chains,
        peers,
        statuses,
        intent_ttl: TimeDelta::seconds(config.intent_ttl_secs.into()),
        gas_margin_percent: config.gas_margin_percent,
        royalty_max_bps: config.royalty_max_bps,
        exchanges: market::Exchanges::default(),
    };
    process.task("chains", watching);
    process.task("outbox relay", bus::outbox::relay(db, bus, stopping.clone()));
    process.task("tracker", follow::follow(follower, Arc::clone(&woken), every, stopping.clone()));
    process.task("grpc", rpc::serve(listen, identity, grpc::routes(tools, woken), stopping));
    process.run().await
}
