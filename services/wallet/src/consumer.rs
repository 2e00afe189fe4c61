//! The door for facts: sign-ins, which heal a link that was not made, and the chain's approvals and transfers.

use bus::{Bus, DeadElement, Failure, Handled};
use chrono::{DateTime, Utc};
use events::{
    Block, ChainBatch, ChainEvent, Envelope, Fact, NotThisFact,
    auth::LoggedIn,
    mints::{TokenBurned, TokenTransferred},
    topology,
    wallets::ApprovalChanged,
};
use ids::ChainId;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    apply_approvals::apply_approvals,
    error::Error,
    model::{Entry, Kind, LinkAsk, Run, Unfit, Wallet},
    store::{self, ApprovalsCache, LastSeen},
    upsert_link::link_within,
};

/// Tokens of a range that one transaction takes in.
const PIECE: u32 = 1_000;

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
pub(crate) async fn approvals(
    bus: Bus,
    db: PgPool,
    cache: ApprovalsCache,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let (db, cache) = (db.clone(), cache.clone());
        async move { on_approvals(&db, &cache, &envelope).await }
    };
    bus::consume(bus, &topology::WALLET_APPROVALS_CHANGED, handler, stopping).await
}

/// Reads `wallet.tokens.changed`.
pub(crate) async fn transfers(
    bus: Bus,
    db: PgPool,
    cache: ApprovalsCache,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let (db, cache) = (db.clone(), cache.clone());
        async move { on_transfers(&db, &cache, &envelope).await }
    };
    bus::consume(bus, &topology::WALLET_TOKENS_CHANGED, handler, stopping).await
}

/// A sign-in proves that the account is the user's: links it if the call at the sign-in did not, and notes the use.
pub(crate) async fn on_logged_in(
    db: &PgPool,
    envelope: &Envelope,
) -> Result<Option<(Wallet, DateTime<Utc>)>, Failure> {
    let fact: LoggedIn = envelope.open()?;
    let kind: Kind = fact.account_type.parse().map_err(|why| NotThisFact::Malformed {
        expected: LoggedIn::TYPE,
        why: format!("accountType {why}"),
    })?;
    let mut tx = db.begin().await?;
    if !bus::inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
        return Ok(None);
    }
    // An unlinking of the same account is over when it is looked for, or comes after the link.
    store::lock_user(&mut tx, fact.user_id).await?;
    let identity = kind.identity(&fact.account_id);
    let wallet = match store::find_by_identity(&mut *tx, &identity).await? {
        Some(wallet) => Some(wallet),
        None => {
            let ask = LinkAsk::of_login(fact.user_id, fact.account_id, kind, None);
            match link_within(&mut tx, &ask).await {
                Ok((wallet, _)) => Some(wallet),
                // No sign-in undoes what the user decided, however new it is: auth may not have heard of it yet.
                Err(Error::WasUnlinked | Error::OtherKind) => None,
                Err(err) => return Err(err.into()),
            }
        }
    };
    if let Some(wallet) = &wallet {
        store::update_last_seen(&mut tx, wallet.wallet_id, fact.at).await?;
    }
    tx.commit().await?;
    Ok(wallet.map(|wallet| (wallet, fact.at)))
}

/// Applies a block's approvals.
pub(crate) async fn on_approvals(
    db: &PgPool,
    cache: &ApprovalsCache,
    envelope: &Envelope,
) -> Result<Handled, Failure> {
    let expected = <ChainBatch<ApprovalChanged> as Fact>::TYPE;
    apply(db, cache, envelope, &[expected], |event| Ok(Some(Run::one(Entry::approval(event))))).await
}

/// Takes away the approvals of a block's tokens that went elsewhere.
pub(crate) async fn on_transfers(
    db: &PgPool,
    cache: &ApprovalsCache,
    envelope: &Envelope,
) -> Result<Handled, Failure> {
    // The two facts have one shape.
    let expected = [<ChainBatch<TokenTransferred>>::TYPE, <ChainBatch<TokenBurned>>::TYPE];
    apply(db, cache, envelope, &expected, Run::transfer).await
}

/// What all events of a batch share; the events are read one by one where they lie, so that a bad one stops no other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    chain_id: ChainId,
    block: Block,
    generation: u32,
    removed: bool,
    #[serde(default)]
    fork_block: Option<u64>,
}

async fn apply<E: DeserializeOwned>(
    db: &PgPool,
    cache: &ApprovalsCache,
    envelope: &Envelope,
    kinds: &[&'static str],
    run: impl Fn(ChainEvent<E>) -> Result<Option<Run>, Unfit>,
) -> Result<Handled, Failure> {
    let expected = kinds.first().copied().unwrap_or_default();
    if !kinds.contains(&envelope.kind.as_str()) {
        return Err(NotThisFact::OtherType { expected, found: envelope.kind.clone() }.into());
    }
    let malformed = |why: String| NotThisFact::Malformed { expected, why };
    let batch = Head::deserialize(&envelope.data).map_err(|err| malformed(err.to_string()))?;
    if i64::try_from(batch.block.number).is_err() {
        return Err(malformed("block.number is beyond 2^63".to_owned()).into());
    }
    let events = envelope.data.get("events").and_then(Value::as_array);
    let events = events.ok_or_else(|| malformed("events is no list".to_owned()))?;
    let mut handled = Handled::all();
    let (mut entries, mut ranges) = (Vec::with_capacity(events.len()), Vec::new());
    for (index, event) in events.iter().enumerate() {
        let read = ChainEvent::<E>::deserialize(event).map_err(|err| ("malformed", err.to_string()));
        match read.and_then(|event| run(event).map_err(|unfit| (unfit.reason(), unfit.to_string()))) {
            Ok(Some(Run { first, tokens: 1 })) => entries.push(first),
            Ok(range) => ranges.extend(range.map(|range| (index, range))),
            Err((reason, error)) => handled.dead.push(DeadElement { index, reason, error }),
        }
    }
    let (ranges, beyond) = Run::within_bounds(ranges);
    handled.dead.extend(beyond.into_iter().map(|(index, unfit)| DeadElement {
        index,
        reason: unfit.reason(),
        error: unfit.to_string(),
    }));
    let block = ChainBatch {
        chain_id: batch.chain_id,
        block: batch.block,
        generation: batch.generation,
        removed: batch.removed,
        fork_block: batch.fork_block,
        events: Vec::new(),
    };
    apply_piece(db, cache, &block, &entries).await?;
    // The tokens of a range are done in pieces, so that no lock is held for long.
    for range in &ranges {
        for start in (0..range.tokens).step_by(PIECE as usize) {
            let end = range.tokens.min(start.saturating_add(PIECE));
            let of_token = |nth| range.nth(block.chain_id, block.block.hash, nth);
            let piece: Vec<Entry> = (start..end).map(of_token).collect();
            apply_piece(db, cache, &block, &piece).await?;
        }
    }
    Ok(handled)
}

async fn apply_piece(
    db: &PgPool,
    cache: &ApprovalsCache,
    block: &ChainBatch<()>,
    entries: &[Entry],
) -> Result<(), Error> {
    let applied = apply_approvals(db, block, entries).await?;
    cache.drop_all(block.chain_id, &applied.owners).await;
    tracing::debug!(
        chain.id = %block.chain_id,
        block.number = block.block.number,
        applied = applied.new,
        "applied approvals"
    );
    Ok(())
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "consumer_chain_tests.rs"]
mod chain_tests;
