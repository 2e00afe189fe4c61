//! What others are told: each change of a collection or a token, with the picture after it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    ChainEvent, Message,
    collections::{self as facts, CollectionCreated, CollectionUpserted},
    mints::{self, ActivityAdded, TokenUpserted, TokensUpserted},
};
use ids::{ActivityId, CollectionId, Hash32, TxHash};
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    apply_moves::Applied,
    error::Error,
    model::{Collection, Kind, Token},
    record::{Flip, Recorded},
    store,
};

/// The message that is being applied.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    /// Its id.
    pub(crate) id: String,
    /// Blocks older than this belong to a chain that is catching up.
    pub(crate) old_before: DateTime<Utc>,
    /// The piece of the message's work, where it is done in several: what each of them tells has an id of its own.
    pub(crate) piece: Option<String>,
    /// Whether one log moved so many tokens that they are told of together.
    pub(crate) is_of_many: bool,
}

impl Cause {
    /// A message that is applied now.
    pub(crate) fn new(id: &str, catching_up: TimeDelta) -> Cause {
        Cause {
            id: id.to_owned(),
            old_before: Utc::now().checked_sub_signed(catching_up).unwrap_or(DateTime::<Utc>::MIN_UTC),
            piece: None,
            is_of_many: false,
        }
    }

    /// A piece of a range of tokens.
    pub(crate) fn piece(&self, piece: String, is_of_many: bool) -> Cause {
        Cause { piece: Some(piece), is_of_many, ..self.clone() }
    }

    /// Whether these events are told of together, and not token by token.
    fn coalesces(&self, flips: &[&Flip]) -> bool {
        self.is_of_many || flips.iter().all(|flip| flip.entry.block_time < self.old_before)
    }
}

/// What moves led to: one message a token at the head, one a collection while the chain catches up or where one log moved
/// very many, and one for each collection whose supply changed. A token that a reorganisation took back is told of by
/// itself, but for those of such a log.
pub(crate) async fn moves(
    conn: &mut PgConnection,
    flips: &[Flip],
    applied: &Applied,
    cause: &Cause,
) -> Result<Vec<Message>, Error> {
    let mut by_token: BTreeMap<Uuid, Vec<&Flip>> = BTreeMap::new();
    for flip in flips {
        if let Some(moved) = &flip.entry.moved {
            by_token.entry(moved.token_row_id).or_default().push(flip);
        }
    }
    let mut coalesced: BTreeMap<Uuid, TokensUpserted> = BTreeMap::new();
    by_token.retain(|id, flips| {
        let is_alone =
            applied.tokens.get(id).is_some_and(|token| token.after.is_removed && !cause.is_of_many);
        if !is_alone && cause.coalesces(flips) {
            add(&mut coalesced, flips);
            return false;
        }
        true
    });
    let ids: Vec<Uuid> = by_token.keys().copied().collect();
    let mut messages = Vec::new();
    // While a chain catches up there are none, and then nothing is asked.
    let alone =
        if ids.is_empty() { Vec::new() } else { store::tokens::list_by_ids(&mut *conn, &ids).await? };
    for token in alone {
        let Some(flips) = by_token.get(&token.id) else { continue };
        let fact = TokenUpserted {
            owner_before: applied.tokens.get(&token.id).and_then(|token| token.before.as_ref()?.owner),
            ..token_upserted(&token, flips)?
        };
        messages.push(mints::upserted(&fact).caused_by(&cause.id));
    }
    messages.extend(coalesced.values().map(|fact| match &cause.piece {
        Some(piece) => mints::upserted_batch(fact, &format!("{}/{piece}", cause.id)).caused_by(&cause.id),
        None => mints::upserted_batch(fact, &cause.id),
    }));
    if applied.told.is_empty() {
        return Ok(messages);
    }
    for collection in store::collections::list_by_ids(&mut *conn, &applied.told).await? {
        // No transactions: what an intent waits for is its tokens, and they are told of by themselves.
        let fact = collection_upserted(&collection, vec!["supply".to_owned()])?;
        messages.push(facts::upserted(&fact).caused_by(&cause.id));
    }
    Ok(messages)
}

/// What changes of collections led to. What nobody may see yet is not told.
pub(crate) async fn collections(
    conn: &mut PgConnection,
    recorded: &Recorded,
    ids: &[Uuid],
    cause: &Cause,
) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    for collection in store::collections::list_by_ids(conn, ids).await? {
        let was_live = recorded.statuses.get(&collection.id).is_some_and(|status| status == "LIVE");
        let removed = was_live && collection.status != "LIVE";
        if collection.status != "LIVE" && !removed {
            continue;
        }
        let flips: Vec<&Flip> =
            recorded.flips.iter().filter(|flip| flip.entry.collection_id == Some(collection.id)).collect();
        let fact = CollectionUpserted {
            tx_hashes: tx_hashes(&flips, removed),
            salts: salts(&flips, removed),
            removed,
            fork_block: fork_block(&flips),
            ..collection_upserted(&collection, changed(&flips, removed))?
        };
        messages.push(facts::upserted(&fact).caused_by(&cause.id));
    }
    Ok(messages)
}

/// A token's metadata changed.
pub(crate) fn token_described(token: &Token) -> Result<Message, Error> {
    let fact = TokenUpserted { changed: vec!["metadata".to_owned()], ..token_upserted(token, &[])? };
    Ok(mints::upserted(&fact))
}

/// A collection's metadata changed.
pub(crate) fn collection_described(collection: &Collection) -> Result<Message, Error> {
    Ok(facts::upserted(&collection_upserted(collection, vec!["metadata".to_owned()])?))
}

fn token_upserted(token: &Token, flips: &[&Flip]) -> Result<TokenUpserted, Error> {
    Ok(TokenUpserted {
        token: token.snapshot()?,
        revision: token.revision,
        changed: changed(flips, token.is_removed),
        tx_hashes: tx_hashes(flips, token.is_removed),
        owner_before: token.owner,
        activities: flips.iter().filter_map(|flip| activity(flip)).collect(),
        removed: token.is_removed,
        fork_block: fork_block(flips),
        block_number: token.changed_block_number.unsigned_abs(),
        block_hash: token.changed_block_hash,
    })
}

fn collection_upserted(collection: &Collection, changed: Vec<String>) -> Result<CollectionUpserted, Error> {
    Ok(CollectionUpserted {
        collection: collection.snapshot()?,
        revision: collection.revision,
        changed,
        tx_hashes: Vec::new(),
        salts: Vec::new(),
        removed: false,
        fork_block: None,
        block_number: collection.changed_block_number.unsigned_abs(),
        block_hash: collection.changed_block_hash.unwrap_or(Hash32::new([0; 32])),
    })
}

/// A token joins what is told of its collection at once.
fn add(coalesced: &mut BTreeMap<Uuid, TokensUpserted>, flips: &[&Flip]) {
    let Some(Flip { entry, .. }) = flips.last() else { return };
    let (Some(collection_id), Some(moved)) = (entry.collection_id, &entry.moved) else { return };
    let fact = coalesced.entry(collection_id).or_insert_with(|| TokensUpserted {
        collection_id: CollectionId(collection_id),
        chain_id: entry.chain_id,
        contract: entry.contract,
        token_ids: Vec::new(),
        tx_hashes: Vec::new(),
        block_number: 0,
    });
    fact.token_ids.push(moved.token_id);
    for tx in tx_hashes(flips, false) {
        if !fact.tx_hashes.contains(&tx) {
            fact.tx_hashes.push(tx);
        }
    }
    fact.block_number = fact.block_number.max(entry.block_number.unsigned_abs());
}

/// The words for what happened, each once and in the order of the chain.
fn changed(flips: &[&Flip], removed: bool) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for flip in flips {
        let word = if flip.stands { flip.entry.kind.as_str() } else { "reverted" };
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    if removed {
        words.push("removed".to_owned());
    }
    words
}

/// The transactions that led here: those that count now, or those that were taken back where all is.
fn tx_hashes(flips: &[&Flip], removed: bool) -> Vec<TxHash> {
    let led = flips.iter().filter(|flip| flip.stands != removed).map(|flip| flip.entry.tx_hash);
    led.collect::<BTreeSet<_>>().into_iter().collect()
}

fn salts(flips: &[&Flip], removed: bool) -> Vec<Hash32> {
    let created = flips.iter().filter(|flip| flip.stands != removed && flip.entry.kind == Kind::Created);
    created
        .filter_map(|flip| {
            ChainEvent::<CollectionCreated>::deserialize(flip.entry.fact.as_ref()?).ok()?.fact.salt
        })
        .collect()
}

fn fork_block(flips: &[&Flip]) -> Option<u64> {
    flips
        .iter()
        .filter(|flip| !flip.stands)
        .filter_map(|flip| flip.entry.fork_block)
        .map(i64::unsigned_abs)
        .min()
}

fn activity(flip: &Flip) -> Option<ActivityAdded> {
    let entry = &flip.entry;
    let moved = entry.moved.as_ref()?;
    Some(ActivityAdded {
        id: ActivityId(entry.id),
        kind: entry.kind.activity().to_owned(),
        from: moved.from,
        to: moved.to,
        quantity: moved.quantity,
        tx_hash: entry.tx_hash,
        log_index: u32::try_from(entry.mark.log_index).ok()?,
        block_number: entry.block_number.unsigned_abs(),
        occurred_at: entry.block_time,
        removed: !flip.stands,
    })
}
