//! What was read becomes what is known and told: raw events first, then one transaction with blocks, checkpoint and
//! messages. Whatever dies in between, the next one writes the same again and tells nothing twice.

use std::{borrow::Cow, collections::HashMap, time::Instant};

use bson::Bson;
use events::{Message, collections::CollectionUpdated};
use ids::{Address, BlockHash, ChainId};
use serde::{Deserialize, Serialize};

use crate::{
    batch::{self, Of, Told, Written},
    decode::{Fact, Reading, decode},
    error::Error,
    follow::{
        fork::{Link, View},
        lease::Lease,
    },
    metrics,
    model::{BlockRef, Contract, Header, Log, Role},
    store::{
        self, Stores,
        chain::Leaves,
        raw::{RawEvent, event_data, raw_id},
    },
};

/// An ERC-20 among the items of an order.
const ERC20_ITEM: u8 = 1;
/// What a log and a fact weigh on their way, about, beside a log's data.
const LOG_BYTES: usize = 600;
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
        self.logs.iter().flat_map(|log| created(&self.header, &log.reading))
    }

    /// Whose money counts because they offer it in an order that they showed to an exchange: (currency, maker).
    pub(crate) fn payers(&self) -> impl Iterator<Item = (Address, Address)> {
        self.logs.iter().flat_map(|log| log.reading.payers())
    }

    /// How many bytes it takes on its way, about.
    pub(crate) fn weight(&self) -> usize {
        self.logs
            .iter()
            .map(|log| LOG_BYTES + log.log.data.len() + LOG_BYTES * log.reading.facts().len())
            .sum()
    }
}

/// The collections that a log of a block's factory tells of.
pub(crate) fn created(header: &Header, reading: &Reading) -> impl Iterator<Item = Contract> {
    reading.facts().iter().filter_map(|(_, fact)| match fact {
        Fact::Created { collection, standard, .. } => Some(Contract {
            address: *collection,
            role: Role::Collection(*standard),
            from_block: header.number,
            created_in: Some(header.hash),
        }),
        _ => None,
    })
}

impl Fact {
    /// Whether a contract may have been asked for a part of it.
    fn may_be_asked(&self) -> bool {
        matches!(self, Fact::Created { .. } | Fact::Updated(CollectionUpdated::ContractUriUpdated { .. }))
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

    /// See [`ReadBlock::payers`].
    pub(crate) fn payers(&self) -> impl Iterator<Item = (Address, Address)> {
        let orders = self.facts().iter().filter_map(|(_, fact)| match fact {
            Fact::OrderValidated(order) => Some(order),
            _ => None,
        });
        orders.flat_map(|order| {
            let paid = order.offer.iter().filter(|item| item.item_type == ERC20_ITEM);
            paid.map(|item| (item.token, order.offerer))
        })
    }

    /// The event's name; empty where it is none that we know.
    pub(crate) fn event(&self) -> &'static str {
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

/// What became of blocks that were added.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recorded {
    /// How many events were told.
    pub(crate) events: usize,
    /// Documents in Mongo say something older: a block has come back.
    pub(crate) is_raw_behind: bool,
}

/// Adds blocks on top of the one that the checkpoint leaves.
pub(crate) async fn record(
    stores: &Stores,
    lease: &Lease,
    leaves: Leaves,
    blocks: Vec<ReadBlock>,
    ahead: &Ahead,
    depth: u64,
) -> Result<Recorded, Error> {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(Recorded::default()) };
    let (first, last) = (first.header.number, BlockRef::from(&last.header));
    let chain_id = lease.chain_id;
    let mut raw_logs: Vec<(BlockHash, i32)> = Vec::new();
    {
        let raw: Vec<RawEvent> = blocks.iter().flat_map(|block| raw_events(chain_id, block)).collect();
        raw_logs.extend(raw.iter().map(|event| (event.block_hash, event.log_index.cast_signed())));
        stores.raw.insert(&raw).await?;
    }
    launch::failpoint("indexer.raw_written");

    let (mut tx, began) = (stores.db.begin().await?, Instant::now());
    lease.check(&mut tx).await?;
    let headers: Vec<&Header> = blocks.iter().map(|block| &block.header).collect();
    let retractable_from = ahead.head.number.saturating_sub(View::window(depth));
    let canonical =
        store::chain::insert_blocks(&mut tx, chain_id, &headers, &raw_logs, retractable_from).await?;
    let again: Vec<BlockHash> =
        canonical.iter().filter(|(_, generation)| *generation > 1).map(|(hash, _)| *hash).collect();
    store::chain::delete_batches(&mut tx, chain_id, &again).await?;
    let generations: HashMap<BlockHash, u32> = canonical.into_iter().collect();
    let created: Vec<Contract> = blocks.iter().flat_map(ReadBlock::created).collect();
    store::contract::insert_followed(&mut tx, chain_id, &created).await?;
    let payers: Vec<(Address, Address)> = blocks.iter().flat_map(ReadBlock::payers).collect();

    let mut written: Vec<(u64, BlockHash, Vec<Written>)> = Vec::new();
    for block in blocks {
        // A block that is canonical already has been told of.
        let Some(generation) = generations.get(&block.header.hash) else { continue };
        metrics::count_logs(chain_id, &block);
        if block.logs.is_empty() {
            continue;
        }
        let (number, hash) = (block.header.number, block.header.hash);
        let finality = batch::finality(number, ahead.safe, ahead.finalized);
        let of = Of::new(chain_id, &block.header, *generation, finality);
        written.push((number, hash, batch::write(&of, told(block.logs), 0)));
    }
    let trace = launch::trace::current_traceparent();
    let events = written.iter().flat_map(|(.., parts)| parts).map(|part| part.events).sum();
    let in_window = written.iter().filter(|(number, ..)| *number >= retractable_from);
    let kept: Vec<(BlockHash, &Written)> =
        in_window.flat_map(|(_, hash, parts)| parts.iter().map(|part| (*hash, part))).collect();
    store::chain::insert_batches(&mut tx, chain_id, &kept).await?;
    let parts = written.into_iter().flat_map(|(.., parts)| parts);
    let messages: Vec<_> = parts.map(|part| part.message(trace.as_deref())).collect();
    bus::outbox::put_written(&mut tx, &messages).await?;
    if !store::chain::update_checkpoint(&mut tx, chain_id, leaves, last, ahead, false).await? {
        return Err(Error::Stale);
    }
    // After the checkpoint, whose row whoever adds a payer holds first.
    store::payer::insert_payers(&mut tx, chain_id, &payers).await?;
    if first / SWEEP_EVERY != (last.number + 1) / SWEEP_EVERY {
        let below = last.number.saturating_sub(View::window(depth) + SWEEP_EVERY);
        store::chain::delete_blocks_below(&mut tx, chain_id, below).await?;
    }
    lease.outlast(&mut tx, began).await?;
    tx.commit().await?;
    launch::failpoint("indexer.tx_committed");
    Ok(Recorded { events, is_raw_behind: !again.is_empty() })
}

/// Takes back every block above `ancestor`: the same events once more, as removed.
pub(crate) async fn retract(
    stores: &Stores,
    lease: &Lease,
    tip: Link,
    followed_version: i64,
    ancestor: u64,
    ahead: &Ahead,
) -> Result<usize, Error> {
    let chain_id = lease.chain_id;
    let (mut tx, began) = (stores.db.begin().await?, Instant::now());
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
    // What is read in their place is read with all that backfills are fetching.
    store::late::update_missed(&mut tx, chain_id, ancestor).await?;
    let fork = store::chain::find_canonical(&mut tx, chain_id, ancestor).await?.ok_or(Error::Stale)?;
    let leaves = Leaves { hash: tip.hash, followed_version };
    if !store::chain::update_checkpoint(&mut tx, chain_id, leaves, fork, ahead, true).await? {
        return Err(Error::Stale);
    }
    store::chain::insert_reorg(&mut tx, chain_id, ancestor, tip, blocks.len(), retracted).await?;
    lease.outlast(&mut tx, began).await?;
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

/// What logs tell, by the facts that are in them.
pub(crate) fn told(logs: Vec<ReadLog>) -> Vec<Told> {
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

/// A fact in a document.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(rename = "batchIndex")]
    batch_index: u32,
    #[serde(flatten)]
    fact: Cow<'a, Fact>,
}

/// The documents of a block's logs, as they are when the block is told for the first time.
pub(crate) fn raw_events(chain_id: ChainId, block: &ReadBlock) -> impl Iterator<Item = RawEvent> {
    let header = &block.header;
    block.logs.iter().map(move |read| {
        let log = &read.log;
        RawEvent {
            id: raw_id(chain_id, header.hash, log.log_index),
            chain_id,
            block_hash: header.hash,
            log_index: log.log_index,
            tx_hash: log.tx_hash,
            tx_from: Some(read.tx_from),
            block_number: header.number.cast_signed(),
            block_time: bson::DateTime::from_millis(header.time.timestamp_millis()),
            contract: log.address,
            standard: Some(read.role.as_str().into()),
            event_type: read.reading.event().into(),
            event_data: event_data(&log.topics, &log.data, asked_facts(read)),
            canonical: true,
            generation: 1,
        }
    })
}

/// Facts that topics and data alone do not give: the contract was asked.
fn asked_facts(read: &ReadLog) -> Option<Bson> {
    let facts = read.reading.facts();
    if !facts.iter().any(|(_, fact)| fact.may_be_asked()) || decode(&read.log, read.role) == read.reading {
        return None;
    }
    let kept: Vec<Kept<'_>> = facts
        .iter()
        .map(|(batch_index, fact)| Kept { batch_index: *batch_index, fact: Cow::Borrowed(fact) })
        .collect();
    Some(bson::serialize_to_bson(&kept).expect("facts are plain structs with string keys"))
}

/// A document's log with what it says, as it was read from the chain: decoded again, since what can be derived is not
/// kept. `None` where the document is not of any form that was ever written. Who sent the transaction is not in older
/// documents; then it is nobody.
pub(crate) fn read_again(event: &RawEvent, role: Role) -> Option<ReadLog> {
    let log = event.log()?;
    let mut reading = decode(&log, role);
    if let (Reading::Known { facts, .. }, Some(kept)) = (&mut reading, event.facts())
        && facts.iter().any(|(_, fact)| fact.may_be_asked())
    {
        let kept: Vec<Kept<'_>> = bson::deserialize_from_bson(kept.clone()).ok()?;
        *facts = kept.into_iter().map(|kept| (kept.batch_index, kept.fact.into_owned())).collect();
    }
    Some(ReadLog { log, tx_from: event.tx_from.unwrap_or(Address::ZERO), role, reading })
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
