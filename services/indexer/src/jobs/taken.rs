//! What was told of a block is had again, to be taken back: word for word inside the window, from its documents below.

use std::collections::{BTreeMap, HashMap, HashSet};

use ids::{Address, BlockHash, ChainId, Hash32};
use sqlx::PgConnection;

use super::Found;
use crate::{
    batch::{self, Batch, Of},
    error::Error,
    model::{Contract, Role},
    record::{self, ReadLog},
    store::{
        self,
        late::Known,
        raw::{RawEvent, RawMark, raw_id},
    },
};

/// Documents that are in memory at once, about: a block's are never parted.
const MOST_DOCUMENTS: usize = 4_000;
/// What an event weighs on its way, about, beside its log's data.
const EVENT_BYTES: usize = 1_000;

/// The lowest block down to which the documents are no more than may be in memory at once.
pub(super) fn fitting(marks: &[RawMark], lowest: u64, high: u64) -> u64 {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for mark in marks {
        *counts.entry(mark.block_number.cast_unsigned()).or_default() += 1;
    }
    let mut held = 0;
    for (number, count) in counts.into_iter().rev() {
        if held > 0 && held + count > MOST_DOCUMENTS {
            return (number + 1).min(high);
        }
        held += count;
    }
    lowest
}

/// What a step takes back.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) found: Found,
    pub(super) messages: Vec<events::Message>,
    /// Of blocks that are known by documents alone.
    pub(super) generations: Vec<(BlockHash, u32)>,
    pub(super) events: usize,
    /// In bytes, about.
    pub(super) weight: usize,
}

impl Taken {
    fn tell(&mut self, batches: Vec<(u64, Batch)>, fork_block: u64) {
        for (part, batch) in batches {
            self.events += batch.len();
            self.weight += batch.len() * EVENT_BYTES;
            self.found.count(batch.kind(), batch.len());
            self.messages.push(batch.retracted(fork_block).message(part));
        }
    }

    fn weigh(&mut self, documents: &[RawEvent]) {
        let data = documents.iter().filter_map(|document| Some(document.log()?.data.len()));
        self.weight += data.sum::<usize>();
    }
}

pub(super) type StoredOf = BTreeMap<BlockHash, Vec<RawEvent>>;

/// A height of which blocks are remembered.
pub(super) async fn take_known(
    tx: &mut PgConnection,
    decoder: &Decoder,
    chain_id: ChainId,
    known: &[Known],
    mut stored: StoredOf,
    taken: &mut Taken,
) -> Result<(), Error> {
    let Some(block) = known.iter().find(|block| block.is_canonical) else {
        // Those have been taken back before; what was told of another is known by its documents.
        stored.retain(|hash, _| known.iter().all(|block| block.hash != *hash));
        let Some(number) = known.first().map(|block| block.number) else { return Ok(()) };
        return take_stored(tx, decoder, chain_id, number, stored, taken).await;
    };
    let documents = stored.remove(&block.hash).unwrap_or_default();
    taken.weigh(&documents);
    let batches = match block.is_retractable {
        true => store::chain::list_batches(tx, chain_id, block.hash).await?,
        false => {
            note_lost(chain_id, block, &documents, &mut taken.found);
            decoder.batches(BlockOf::from(block), documents, &mut taken.found)?
        }
    };
    taken.tell(batches, decoder.fork_block);
    Ok(())
}

/// A height of which only documents tell.
pub(super) async fn take_stored(
    tx: &mut PgConnection,
    decoder: &Decoder,
    chain_id: ChainId,
    number: u64,
    mut stored: StoredOf,
    taken: &mut Taken,
) -> Result<(), Error> {
    stored.retain(|_, documents| {
        documents.retain(|document| document.canonical);
        !documents.is_empty()
    });
    if stored.is_empty() {
        return Ok(());
    }
    let hashes: Vec<BlockHash> = stored.keys().copied().collect();
    let old: HashMap<BlockHash, u32> =
        store::late::list_old_generations(tx, chain_id, &hashes).await?.into_iter().collect();
    for (hash, documents) in stored {
        let told = documents.iter().map(|document| document.generation).max().unwrap_or(1).max(1);
        let generation = old.get(&hash).copied().unwrap_or(1).max(told.cast_unsigned());
        let time = documents.first().map(|document| document.block_time.to_chrono()).unwrap_or_default();
        // Its parent was never asked for by anybody who consumes a retraction, and is not kept.
        let block = BlockOf { number, hash, parent_hash: Hash32::new([0; 32]), time, generation };
        taken.weigh(&documents);
        let batches = decoder.batches(block, documents, &mut taken.found)?;
        taken.tell(batches, decoder.fork_block);
        taken.generations.push((hash, generation));
    }
    Ok(())
}

/// Logs that were stored and whose documents are gone: what was told of them cannot be taken back.
fn note_lost(chain_id: ChainId, block: &Known, documents: &[RawEvent], found: &mut Found) {
    let there: HashSet<i32> = documents.iter().map(|document| document.log_index.cast_signed()).collect();
    for log_index in block.raw_logs.iter().filter(|log_index| !there.contains(log_index)) {
        let id = raw_id(chain_id, block.hash, *log_index);
        tracing::error!(chain.id = %chain_id, id, "what was told of a log cannot be taken back: its document is lost");
        found.note("lost documents", id);
    }
}

/// A block of which events are had again from documents.
struct BlockOf {
    number: u64,
    hash: BlockHash,
    parent_hash: BlockHash,
    time: chrono::DateTime<chrono::Utc>,
    generation: u32,
}

impl From<&Known> for BlockOf {
    fn from(known: &Known) -> BlockOf {
        let Known { number, hash, parent_hash, time, generation, .. } = *known;
        BlockOf { number, hash, parent_hash, time, generation }
    }
}

/// Makes events of documents again.
pub(super) struct Decoder {
    pub(super) contracts: HashMap<Address, Contract>,
    pub(super) fork_block: u64,
    pub(super) first_part: u64,
}

impl Decoder {
    fn batches(
        &self,
        block: BlockOf,
        documents: Vec<RawEvent>,
        found: &mut Found,
    ) -> Result<Vec<(u64, Batch)>, Error> {
        let Some(chain_id) = documents.first().map(|document| document.chain_id) else {
            return Ok(Vec::new());
        };
        let BlockOf { number, hash, parent_hash, time, generation } = block;
        let mut logs = Vec::with_capacity(documents.len());
        for document in documents {
            match self.read(&document) {
                Some(read) => logs.push(read),
                None => found.note("unreadable documents", raw_id(chain_id, hash, document.log_index)),
            }
        }
        let block = events::Block { number, hash, parent_hash, time };
        let of = Of { chain_id, block, generation, finality: batch::finality(number, None, None) };
        let written = batch::write(&of, record::told(logs), self.first_part);
        let batches = written.into_iter().map(|part| {
            let batch = serde_json::from_str(&part.kept()).map_err(|err| Error::Stored(err.to_string()))?;
            Ok((part.part, batch))
        });
        batches.collect()
    }

    /// By what the contract was followed as; older documents do not say it.
    fn read(&self, document: &RawEvent) -> Option<ReadLog> {
        let known =
            document.role().or_else(|| self.contracts.get(&document.contract).map(|known| known.role));
        if let Some(role) = known {
            return record::read_again(document, role);
        }
        let standards = [events::Standard::Erc721, events::Standard::Erc1155].map(Role::Collection);
        let roles = [Role::Factory, Role::Exchange].into_iter().chain(standards);
        let mut readings = roles.filter_map(|role| record::read_again(document, role));
        readings.find(|read| read.reading.event() == document.event_type && !read.reading.facts().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_ends_between_blocks_before_its_documents_are_too_many() {
        let marks = |counts: &[(i64, usize)]| -> Vec<RawMark> {
            let of_block = |(number, count): &(i64, usize)| {
                let mark = RawMark {
                    id: String::new(),
                    block_number: *number,
                    block_hash: Hash32::new([0; 32]),
                    log_index: 0,
                    canonical: true,
                    generation: 1,
                };
                vec![mark; *count]
            };
            counts.iter().flat_map(of_block).collect()
        };
        assert_eq!(fitting(&[], 10, 109), 10, "nothing is there to hold");
        assert_eq!(fitting(&marks(&[(20, 1), (100, MOST_DOCUMENTS - 1)]), 10, 109), 10);
        assert_eq!(fitting(&marks(&[(20, 1), (90, 1), (100, MOST_DOCUMENTS)]), 10, 109), 91);
        assert_eq!(
            fitting(&marks(&[(108, 1), (109, MOST_DOCUMENTS * 2)]), 10, 109),
            109,
            "a block is the least"
        );
    }
}
