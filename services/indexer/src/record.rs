//! What was read becomes what is known and told: raw events first, then one transaction with blocks, checkpoint and
//! messages. Whatever dies in between, the next one writes the same again and tells nothing twice.

use std::collections::HashMap;

use bson::{Binary, Bson, doc, spec::BinarySubtype};
use events::Message;
use ids::{Address, BlockHash};
use serde::Serialize;

use crate::{
    batch::{self, Batch, Of, Told},
    decode::{Fact, Reading},
    error::Error,
    follow::{
        fork::{Link, View},
        lease::Lease,
    },
    metrics,
    model::{BlockRef, Contract, Header, Log, Role},
    store::{
        self, Stores,
        raw::{RawEvent, raw_id},
    },
};

/// A log of one event seldom tells of more; a hostile one must not outgrow its document.
const MOST_FACTS_SHOWN: usize = 100;
/// Between two sweeps of the window.
const SWEEP_EVERY: u64 = 64;
/// Blocks brought into line at once.
const LINED_UP: i64 = 64;

/// A block with its logs that concern us.
#[derive(Debug, Clone)]
pub(crate) struct ReadBlock {
    pub(crate) header: Header,
    pub(crate) logs: Vec<ReadLog>,
}

/// A log with what it says.
#[derive(Debug, Clone)]
pub(crate) struct ReadLog {
    pub(crate) log: Log,
    pub(crate) tx_from: Address,
    pub(crate) role: Role,
    pub(crate) reading: Reading,
}

impl ReadBlock {
    /// The collections that its factories made.
    pub(crate) fn created(&self) -> impl Iterator<Item = Contract> {
        self.logs.iter().flat_map(|log| log.reading.facts()).filter_map(|(_, fact)| match fact {
            Fact::Created { collection, standard, .. } => Some(Contract {
                address: *collection,
                role: Role::Collection(*standard),
                from_block: self.header.number,
                created_in: Some(self.header.hash),
            }),
            _ => None,
        })
    }

    /// How many things happened in it.
    pub(crate) fn weight(&self) -> usize {
        self.logs.iter().map(|log| 1 + log.reading.facts().len()).sum()
    }
}

impl Reading {
    /// What happened.
    pub(crate) fn facts(&self) -> &[(u32, Fact)] {
        match self {
            Reading::Known { facts, .. } => facts,
            Reading::Unknown | Reading::Malformed { .. } => &[],
        }
    }

    fn event(&self) -> &'static str {
        match self {
            Reading::Known { event, .. } | Reading::Malformed { event } => event,
            Reading::Unknown => "",
        }
    }
}

/// What the node says of the part of the chain that is not read yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead {
    pub(crate) head: BlockRef,
    pub(crate) safe: Option<u64>,
    pub(crate) finalized: Option<u64>,
}

/// Begins a chain at a block whose own logs are not read.
pub(crate) async fn begin(
    stores: &Stores,
    lease: &Lease,
    anchor: &Header,
    head: BlockRef,
) -> Result<(), Error> {
    let mut tx = stores.db.begin().await?;
    lease.check(&mut tx).await?;
    if !store::chain::insert_checkpoint(&mut tx, lease.chain_id, anchor.into(), head).await? {
        return Err(Error::Stale);
    }
    store::chain::insert_blocks(&mut tx, lease.chain_id, &[anchor], &[], 0).await?;
    tx.commit().await?;
    Ok(())
}

/// Adds blocks on top of the block `tip`. Returns how many events were told.
pub(crate) async fn record(
    stores: &Stores,
    lease: &Lease,
    tip: BlockHash,
    blocks: Vec<ReadBlock>,
    ahead: Ahead,
    depth: u64,
) -> Result<usize, Error> {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(0) };
    let (first, last) = (first.header.number, BlockRef::from(&last.header));
    let chain_id = lease.chain_id;
    let raw: Vec<RawEvent> = blocks.iter().flat_map(|block| raw_events(lease, block)).collect();
    stores.raw.insert(&raw).await?;
    launch::failpoint("indexer.raw_written");

    let mut tx = stores.db.begin().await?;
    lease.check(&mut tx).await?;
    let headers: Vec<&Header> = blocks.iter().map(|block| &block.header).collect();
    let raw_logs: Vec<(BlockHash, i32)> =
        raw.iter().map(|event| (event.block_hash, event.log_index.cast_signed())).collect();
    let retractable_from = ahead.head.number.saturating_sub(View::window(depth));
    let canonical =
        store::chain::insert_blocks(&mut tx, chain_id, &headers, &raw_logs, retractable_from).await?;
    let generations: HashMap<BlockHash, u32> = canonical.into_iter().collect();
    let created: Vec<Contract> = blocks.iter().flat_map(ReadBlock::created).collect();
    store::contract::insert_followed(&mut tx, chain_id, &created).await?;

    let (mut messages, mut kept, mut events): (Vec<Message>, Vec<(BlockHash, usize, Batch)>, usize) =
        Default::default();
    for block in blocks {
        // A block that is canonical already has been told of.
        let Some(generation) = generations.get(&block.header.hash) else { continue };
        metrics::count_logs(chain_id, &block);
        let (number, hash) = (block.header.number, block.header.hash);
        let finality = batch::finality(number, ahead.safe, ahead.finalized);
        let of = Of::new(chain_id, &block.header, *generation, finality);
        for (part, batch) in batch::batches(&of, told(block.logs)) {
            messages.push(batch.message(part));
            events += batch.len();
            if number >= retractable_from {
                kept.push((hash, part, batch));
            }
        }
    }
    store::chain::insert_batches(&mut tx, chain_id, &kept).await?;
    bus::outbox::put_all(&mut tx, &messages).await?;
    if !store::chain::update_checkpoint(&mut tx, chain_id, tip, last, ahead.head, false).await? {
        return Err(Error::Stale);
    }
    if first / SWEEP_EVERY != (last.number + 1) / SWEEP_EVERY {
        let below = last.number.saturating_sub(View::window(depth) + SWEEP_EVERY);
        store::chain::delete_blocks_below(&mut tx, chain_id, below).await?;
    }
    tx.commit().await?;
    launch::failpoint("indexer.tx_committed");
    Ok(events)
}

/// Takes back every block above `ancestor`: the same events once more, as removed.
pub(crate) async fn retract(
    stores: &Stores,
    lease: &Lease,
    tip: Link,
    ancestor: u64,
    head: BlockRef,
) -> Result<usize, Error> {
    let chain_id = lease.chain_id;
    let mut tx = stores.db.begin().await?;
    lease.check(&mut tx).await?;
    let blocks = store::chain::update_retracted(&mut tx, chain_id, ancestor).await?;
    if blocks.iter().any(|(_, is_retractable)| !is_retractable) {
        return Err(Error::NotRetractable);
    }
    let blocks: Vec<BlockHash> = blocks.into_iter().map(|(hash, _)| hash).collect();
    let mut retracted = 0;
    for block in &blocks {
        let batches = store::chain::list_batches(&mut tx, chain_id, *block).await?;
        let messages: Vec<Message> =
            batches.into_iter().map(|(part, batch)| batch.retracted(ancestor).message(part)).collect();
        bus::outbox::put_all(&mut tx, &messages).await?;
        retracted += messages.len();
        launch::failpoint("indexer.mid_revert");
    }
    store::contract::delete_followed_of(&mut tx, chain_id, &blocks).await?;
    let fork = store::chain::find_canonical(&mut tx, chain_id, ancestor).await?.ok_or(Error::Stale)?;
    if !store::chain::update_checkpoint(&mut tx, chain_id, tip.hash, fork, head, true).await? {
        return Err(Error::Stale);
    }
    store::chain::insert_reorg(&mut tx, chain_id, ancestor, tip, blocks.len(), retracted).await?;
    tx.commit().await?;
    launch::failpoint("indexer.reverted");
    Ok(retracted)
}

/// Stops the chain for good, until somebody has looked.
pub(crate) async fn halt(stores: &Stores, lease: &Lease, reason: &str) -> Result<(), Error> {
    let mut tx = stores.db.begin().await?;
    lease.check(&mut tx).await?;
    store::chain::update_halted(&mut tx, lease.chain_id, reason).await?;
    tx.commit().await?;
    Ok(())
}

/// Brings the documents of retracted and restored blocks into line with their rows; true when none is left.
pub(crate) async fn line_up_raw(stores: &Stores, lease: &Lease) -> Result<bool, Error> {
    let chain_id = lease.chain_id;
    let behind = store::chain::list_raw_behind(&stores.db, chain_id, LINED_UP).await?;
    for block in &behind {
        let ids = block.raw_logs.iter().map(|log_index| raw_id(chain_id, block.hash, log_index)).collect();
        stores.raw.mark(ids, block.is_canonical, block.generation).await?;
        store::chain::update_raw(&stores.db, chain_id, block).await?;
    }
    Ok((behind.len() as i64) < LINED_UP)
}

fn told(logs: Vec<ReadLog>) -> Vec<Told> {
    logs.into_iter()
        .filter_map(|read| {
            let Reading::Known { facts, .. } = read.reading else { return None };
            Some(Told {
                contract: read.log.address,
                standard: read.role.standard(),
                tx_hash: read.log.tx_hash,
                tx_from: read.tx_from,
                log_index: read.log.log_index,
                facts,
            })
        })
        .collect()
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(rename = "batchIndex")]
    batch_index: u32,
    #[serde(flatten)]
    fact: &'a Fact,
}

fn raw_events<'a>(lease: &'a Lease, block: &'a ReadBlock) -> impl Iterator<Item = RawEvent> + 'a {
    let header = &block.header;
    block.logs.iter().map(move |read| {
        let log = &read.log;
        let facts = read.reading.facts();
        let shown: Vec<Shown<'_>> = facts
            .iter()
            .take(MOST_FACTS_SHOWN)
            .map(|(batch_index, fact)| Shown { batch_index: *batch_index, fact })
            .collect();
        let topics: Vec<Bson> = log.topics.iter().map(|topic| Bson::String(topic.to_string())).collect();
        let data = Binary { subtype: BinarySubtype::Generic, bytes: log.data.to_vec() };
        let facts = bson::serialize_to_bson(&shown).expect("facts are plain structs with string keys");
        RawEvent {
            id: raw_id(lease.chain_id, header.hash, log.log_index),
            chain_id: lease.chain_id,
            block_hash: header.hash,
            log_index: log.log_index,
            tx_hash: log.tx_hash,
            block_number: header.number.cast_signed(),
            block_time: bson::DateTime::from_millis(header.time.timestamp_millis()),
            contract: log.address,
            event_type: read.reading.event().to_owned(),
            event_data: doc! { "topics": topics, "data": data, "facts": facts }.into(),
            canonical: true,
            generation: 1,
        }
    })
}
