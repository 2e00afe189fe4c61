//! The door in for facts: every `catalog.*` queue.

use bus::{Bus, DeadElement, Failure, Handled};
use chrono::TimeDelta;
use events::{
    ChainBatch, ChainEvent, Envelope, Fact, NotThisFact,
    chain::Block,
    collections::{CollectionCreated, CollectionUpdated},
    mints::{MetadataChanged, TokenBurned, TokenMinted, TokenMoved, TokenTransferred},
    orders::{CounterIncremented, OrderCancelled, OrderFilled, OrderValidated, PaymentChanged},
    topology,
    wallets::ApprovalChanged,
};
use ids::ChainId;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    apply_collections::apply_collections,
    apply_metadata::apply_metadata,
    apply_moves::apply_moves,
    apply_ranges::{Range, Unfit, apply_ranges, within_bounds},
    model::{Aspect, Entry, Kind, Origin, collection_row, without_nul},
    record_only::record_only,
    tell::Cause,
};

pub(crate) fn start(bus: &Bus, db: &PgPool, catching_up: TimeDelta, process: &mut launch::Process) {
    for &queue in topology::QUEUES.iter().filter(|queue| queue.consumer == "catalog") {
        let db = db.clone();
        let handler = move |envelope: Envelope| {
            let db = db.clone();
            async move { apply(&db, &envelope, catching_up).await }
        };
        process.task(queue.name, bus::consume(bus.clone(), queue, handler, process.stopping()));
    }
}

/// Applies one message; blocks older than `catching_up` are told of in batches. What arrives by any of the queues can be
/// given to this, any number of times and in any order.
pub async fn apply(db: &PgPool, envelope: &Envelope, catching_up: TimeDelta) -> Result<Handled, Failure> {
    let batch = Batch::read(envelope)?;
    let cause = Cause::new(&envelope.id, catching_up);
    let kind = envelope.kind.as_str();
    let mut read = Elements::default();
    if kind == <ChainBatch<CollectionCreated>>::TYPE {
        read.each(&batch, created);
        apply_collections(db, &read.entries, &cause).await?;
    } else if kind == <ChainBatch<CollectionUpdated>>::TYPE {
        read.each(&batch, updated);
        apply_collections(db, &read.entries, &cause).await?;
    } else if let Some(kind) = move_kind(kind) {
        read.moves(&batch, kind);
        apply_moves(db, &read.entries, &cause).await?;
        apply_ranges(db, &read.ranges, &cause).await?;
    } else if kind == <ChainBatch<MetadataChanged>>::TYPE {
        read.each(&batch, |origin, event: &ChainEvent<MetadataChanged>, raw| Entry {
            collection_id: Some(collection_row(origin.chain_id, event.contract)),
            ..kept(origin, Kind::Metadata, event, raw)
        });
        apply_metadata(db, &read.entries).await?;
    } else if kind == <ChainBatch<ApprovalChanged>>::TYPE {
        read.each(&batch, |origin, event: &ChainEvent<ApprovalChanged>, raw| {
            kept(origin, Kind::Approval, event, raw)
        });
        record_only(db, &read.entries).await?;
    } else if let Some(kind) = order_kind(kind) {
        read.each(&batch, |origin, event: &ChainEvent<Value>, raw| kept(origin, kind, event, raw));
        record_only(db, &read.entries).await?;
    } else {
        let error = anyhow::anyhow!("no queue of catalog brings {kind}");
        return Err(Failure::Never { reason: "unknown_type", error });
    }
    Ok(Handled { dead: read.dead })
}

/// What all messages of a chain share.
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

/// The elements are read one by one where they lie, so that a bad one spoils no other and none is copied.
struct Batch<'a> {
    head: Head,
    events: &'a [Value],
}

impl Batch<'_> {
    fn read(envelope: &Envelope) -> Result<Batch<'_>, Failure> {
        let malformed = |why: String| NotThisFact::Malformed { expected: "a chain's batch", why };
        let head = Head::deserialize(&envelope.data).map_err(|err| malformed(err.to_string()))?;
        if i64::try_from(head.block.number).is_err() {
            return Err(malformed("block.number is beyond 2^63".to_owned()).into());
        }
        let events = envelope.data.get("events").and_then(Value::as_array);
        let events = events.ok_or_else(|| malformed("events is no list".to_owned()))?;
        Ok(Batch { head, events })
    }

    fn origin(&self) -> Origin {
        Origin {
            chain_id: self.head.chain_id,
            block: self.head.block.clone(),
            generation: self.head.generation,
            removed: self.head.removed,
            fork_block: self.head.fork_block,
        }
    }
}

/// The elements of a message: those that can be applied, and those that never can.
#[derive(Default)]
struct Elements {
    entries: Vec<Entry>,
    ranges: Vec<Range>,
    dead: Vec<DeadElement>,
}

impl Elements {
    fn each<E: DeserializeOwned>(
        &mut self,
        batch: &Batch<'_>,
        entry: impl Fn(&Origin, &ChainEvent<E>, &Value) -> Entry,
    ) {
        let origin = batch.origin();
        for (index, raw) in batch.events.iter().enumerate() {
            match ChainEvent::<E>::deserialize(raw) {
                Ok(event) => self.entries.push(entry(&origin, &event, raw)),
                Err(err) => {
                    self.dead.push(DeadElement { index, reason: "malformed", error: err.to_string() })
                }
            }
        }
    }

    /// The three kinds of moves have one shape; a range of tokens is set apart.
    fn moves(&mut self, batch: &Batch<'_>, kind: Kind) {
        let (origin, mut ranges) = (batch.origin(), Vec::new());
        for (index, raw) in batch.events.iter().enumerate() {
            let event = match ChainEvent::<TokenMoved>::deserialize(raw) {
                Ok(event) => event,
                Err(err) => {
                    let error = err.to_string();
                    self.dead.push(DeadElement { index, reason: "malformed", error });
                    continue;
                }
            };
            let entry = Entry {
                collection_id: Some(collection_row(origin.chain_id, event.contract)),
                ..Entry::new(&origin, kind, &event)
            };
            match event.fact.last_token_id {
                None => self.entries.push(entry.moving(&event.fact)),
                Some(last) => match Range::new(entry, &event.fact, last) {
                    Ok(range) => ranges.push((index, range)),
                    Err(unfit) => self.dead.push(dead(index, &unfit)),
                },
            }
        }
        let (within, beyond) = within_bounds(ranges);
        self.ranges = within;
        self.dead.extend(beyond.iter().map(|(index, unfit)| dead(*index, unfit)));
    }
}

fn dead(index: usize, unfit: &Unfit) -> DeadElement {
    DeadElement { index, reason: unfit.reason(), error: unfit.to_string() }
}

fn created(origin: &Origin, event: &ChainEvent<CollectionCreated>, raw: &Value) -> Entry {
    Entry {
        collection_id: Some(collection_row(origin.chain_id, event.contract)),
        aspect: Some(Aspect::Created),
        ..kept(origin, Kind::Created, event, raw)
    }
}

fn updated(origin: &Origin, event: &ChainEvent<CollectionUpdated>, raw: &Value) -> Entry {
    Entry {
        collection_id: Some(collection_row(origin.chain_id, event.contract)),
        aspect: Aspect::of(&event.fact),
        ..kept(origin, Kind::Updated, event, raw)
    }
}

/// An entry whose element is kept as it came.
fn kept<E>(origin: &Origin, kind: Kind, event: &ChainEvent<E>, raw: &Value) -> Entry {
    Entry { fact: Some(without_nul(raw.clone())), ..Entry::new(origin, kind, event) }
}

fn move_kind(kind: &str) -> Option<Kind> {
    match kind {
        <ChainBatch<TokenMinted>>::TYPE => Some(Kind::Minted),
        <ChainBatch<TokenTransferred>>::TYPE => Some(Kind::Transferred),
        <ChainBatch<TokenBurned>>::TYPE => Some(Kind::Burned),
        _ => None,
    }
}

/// What an exchange tells is kept as it came, whatever it says.
fn order_kind(kind: &str) -> Option<Kind> {
    match kind {
        <ChainBatch<OrderValidated>>::TYPE => Some(Kind::Validated),
        <ChainBatch<OrderFilled>>::TYPE => Some(Kind::Fulfilled),
        <ChainBatch<OrderCancelled>>::TYPE => Some(Kind::Cancelled),
        <ChainBatch<CounterIncremented>>::TYPE => Some(Kind::Counter),
        <ChainBatch<PaymentChanged>>::TYPE => Some(Kind::Payment),
        _ => None,
    }
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
