//! The door in for facts: every `catalog.*` queue.

use bus::{Bus, DeadElement, Failure, Handled};
use chrono::TimeDelta;
use events::{
    ChainBatch, ChainEvent, Envelope, Fact, NotThisFact,
    chain::Block,
    collections::{CollectionCreated, CollectionUpdated},
    mints::{MetadataChanged, TokenBurned, TokenMinted, TokenMoved, TokenTransferred},
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
    } else if kind == <ChainBatch<TokenMinted>>::TYPE {
        read.each(&batch, |origin, event: &ChainEvent<TokenMinted>, _| {
            moving(origin, Kind::Minted, event, &event.fact.0)
        });
        apply_moves(db, &read.entries, &cause).await?;
    } else if kind == <ChainBatch<TokenTransferred>>::TYPE {
        read.each(&batch, |origin, event: &ChainEvent<TokenTransferred>, _| {
            moving(origin, Kind::Transferred, event, &event.fact.0)
        });
        apply_moves(db, &read.entries, &cause).await?;
    } else if kind == <ChainBatch<TokenBurned>>::TYPE {
        read.each(&batch, |origin, event: &ChainEvent<TokenBurned>, _| {
            moving(origin, Kind::Burned, event, &event.fact.0)
        });
        apply_moves(db, &read.entries, &cause).await?;
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

/// What all messages of a chain share; the elements are read one by one, so that a bad one spoils no other.
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

impl Batch {
    fn read(envelope: &Envelope) -> Result<Batch, Failure> {
        let malformed = |why: String| NotThisFact::Malformed { expected: "a chain's batch", why };
        let batch = Batch::deserialize(&envelope.data).map_err(|err| malformed(err.to_string()))?;
        if i64::try_from(batch.block.number).is_err() {
            return Err(malformed("block.number is beyond 2^63".to_owned()).into());
        }
        Ok(batch)
    }
}

/// The elements of a message: those that can be applied, and those that never can.
#[derive(Default)]
struct Elements {
    entries: Vec<Entry>,
    dead: Vec<DeadElement>,
}

impl Elements {
    fn each<E: DeserializeOwned>(
        &mut self,
        batch: &Batch,
        entry: impl Fn(&Origin, &ChainEvent<E>, &Value) -> Entry,
    ) {
        let origin = Origin {
            chain_id: batch.chain_id,
            block: batch.block.clone(),
            generation: batch.generation,
            removed: batch.removed,
            fork_block: batch.fork_block,
        };
        for (index, raw) in batch.events.iter().enumerate() {
            match ChainEvent::<E>::deserialize(raw) {
                Ok(event) => self.entries.push(entry(&origin, &event, raw)),
                Err(err) => {
                    self.dead.push(DeadElement { index, reason: "malformed", error: err.to_string() })
                }
            }
        }
    }
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

fn moving<E>(origin: &Origin, kind: Kind, event: &ChainEvent<E>, moved: &TokenMoved) -> Entry {
    Entry {
        collection_id: Some(collection_row(origin.chain_id, event.contract)),
        ..Entry::new(origin, kind, event).moving(moved)
    }
}

/// An entry whose element is kept as it came.
fn kept<E>(origin: &Origin, kind: Kind, event: &ChainEvent<E>, raw: &Value) -> Entry {
    Entry { fact: Some(without_nul(raw.clone())), ..Entry::new(origin, kind, event) }
}

/// The facts about orders join `events` with the market; until then only their verb is known here.
fn order_kind(kind: &str) -> Option<Kind> {
    let verb = kind.strip_prefix("vitrine.orders.")?.strip_suffix(".v1")?;
    [Kind::Validated, Kind::Fulfilled, Kind::Cancelled, Kind::Counter, Kind::Payment]
        .into_iter()
        .find(|known| known.as_str() == verb)
}
