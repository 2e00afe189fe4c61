//! The door for facts: sign-ins, which heal a link that was not made, and the chain's approvals.

use bus::{Bus, DeadElement, Failure, Handled};
use chrono::{DateTime, Utc};
use events::{
    Block, ChainBatch, ChainEvent, Envelope, Fact, NotThisFact, auth::LoggedIn, topology,
    wallets::ApprovalChanged,
};
use ids::ChainId;
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    apply_approvals::apply_approvals,
    model::{Kind, Wallet},
    store::{self, LastSeen},
    upsert_link::{LinkAsk, link_within},
};

/// Reads `wallet.auth.logged_in`.
pub(crate) async fn logins(
    bus: Bus,
    db: PgPool,
    seen: LastSeen,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let (db, seen) = (db.clone(), seen.clone());
        async move {
            if let Some((wallet, at)) = on_logged_in(&db, &envelope).await? {
                seen.mirror(wallet.wallet_id, at);
            }
            Ok(Handled::all())
        }
    };
    bus::consume(bus, &topology::WALLET_AUTH_LOGGED_IN, handler, stopping).await
}

/// Reads `wallet.approvals.changed`.
pub(crate) async fn approvals(bus: Bus, db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let db = db.clone();
        async move { on_approvals(&db, &envelope).await }
    };
    bus::consume(bus, &topology::WALLET_APPROVALS_CHANGED, handler, stopping).await
}

/// A sign-in proves that the account is the user's: links it if the call at the sign-in did not, and notes the use.
pub(crate) async fn on_logged_in(
    db: &PgPool,
    envelope: &Envelope,
) -> Result<Option<(Wallet, DateTime<Utc>)>, Failure> {
    let fact: LoggedIn = envelope.open()?;
    let mut tx = db.begin().await?;
    if !bus::inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
        return Ok(None);
    }
    let known = match store::find_by_identity(&mut *tx, &Kind::Eoa.identity(&fact.account_id)).await? {
        Some(wallet) => Some(wallet),
        None => store::find_by_identity(&mut *tx, &Kind::Contract.identity(&fact.account_id)).await?,
    };
    // Contract accounts are linked by proof only, so what is unknown here is a key's account. A sign-in older than an
    // unlinking must not undo it.
    let identity = Kind::Eoa.identity(&fact.account_id);
    let wallet = match known {
        Some(wallet) => Some(wallet),
        None if store::was_unlinked_since(&mut *tx, fact.user_id, &identity, fact.at).await? => None,
        None => {
            let ask =
                LinkAsk { user_id: fact.user_id, account: fact.account_id, kind: Kind::Eoa, connector: None };
            Some(link_within(&mut tx, &ask).await?.0)
        }
    };
    if let Some(wallet) = &wallet {
        store::update_last_seen(&mut tx, wallet.wallet_id, fact.at).await?;
    }
    tx.commit().await?;
    Ok(wallet.map(|wallet| (wallet, fact.at)))
}

/// What all events of a batch share; the events are read one by one, so that a bad one stops no other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    chain_id: ChainId,
    block: Block,
    generation: u32,
    removed: bool,
    #[serde(default)]
    fork_block: Option<u64>,
    events: Vec<Value>,
}

/// Applies a block's approvals.
pub(crate) async fn on_approvals(db: &PgPool, envelope: &Envelope) -> Result<Handled, Failure> {
    let expected = <ChainBatch<ApprovalChanged> as Fact>::TYPE;
    if envelope.kind != expected {
        return Err(NotThisFact::OtherType { expected, found: envelope.kind.clone() }.into());
    }
    let batch = Batch::deserialize(&envelope.data)
        .map_err(|err| NotThisFact::Malformed { expected, why: err.to_string() })?;
    let mut handled = Handled::all();
    let mut events = Vec::with_capacity(batch.events.len());
    for (index, event) in batch.events.iter().enumerate() {
        match ChainEvent::<ApprovalChanged>::deserialize(event) {
            Ok(event) => events.push(event),
            Err(err) => {
                handled.dead.push(DeadElement { index, reason: "malformed", error: err.to_string() });
            }
        }
    }
    let block = ChainBatch {
        chain_id: batch.chain_id,
        block: batch.block,
        generation: batch.generation,
        removed: batch.removed,
        fork_block: batch.fork_block,
        events: Vec::new(),
    };
    let applied = apply_approvals(db, &block, &events).await?;
    tracing::debug!(chain.id = %block.chain_id, block.number = block.block.number, applied, "applied approvals");
    Ok(handled)
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
