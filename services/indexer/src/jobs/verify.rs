//! What is stored of a range is held against the chain; nothing is changed.

use std::collections::{HashMap, HashSet};

use ids::BlockHash;

use super::{FIRST_PAUSE, Found, Job, Moved, Stop, Worker, replay::missing_of_kept, standing::Standing};
use crate::{
    batch::{self, Of},
    error::Error,
    model::Role,
    record::{self, ReadBlock},
    store::{
        self,
        raw::{RawEvent, raw_id},
    },
};

/// A difference may be a commit that was on its way: it counts where so many looks in a row find one.
const LOOKS: u32 = 4;

impl Worker {
    /// The next blocks of a verification.
    pub(super) async fn verify(&mut self, job: &Job) -> Result<bool, Stop> {
        let (db, chain_id) = (&self.stores.db.clone(), self.lease.chain_id);
        let checkpoint = store::chain::find_checkpoint(db, chain_id).await?.ok_or(Error::Stale)?;
        let last = job.to_block.min(checkpoint.indexed.number);
        let mut found = Found::of(job);
        if job.next_block > last {
            if last < job.to_block {
                found.count("blocks taken back meanwhile", usize::try_from(job.to_block - last).unwrap_or(0));
            }
            return self.end(job, &found).await;
        }
        let (mut look, mut pause) = (1, FIRST_PAUSE);
        let blocks = loop {
            let mut seen = Found::of(job);
            let before = seen.total();
            let blocks = self.compare(job, last, &mut seen).await?;
            if seen.total() == before || look == LOOKS {
                found = seen;
                break blocks;
            }
            tokio::time::sleep(pause).await;
            (look, pause) = (look + 1, pause * 2);
        };
        let events = blocks.iter().flat_map(|block| &block.logs).map(|read| read.reading.facts().len()).sum();
        let next_block = blocks.last().map_or(job.next_block, |last| last.header.number + 1);
        let mut tx = db.begin().await?;
        self.lease.check(&mut tx).await?;
        let is_done = next_block > job.to_block;
        let moved = Moved { next_block, blocks: blocks.len(), events, is_done, ..Moved::default() };
        self.advance(&mut tx, job, &found, moved).await?;
        tx.commit().await?;
        Ok(is_done)
    }

    async fn compare(&mut self, job: &Job, last: u64, found: &mut Found) -> Result<Vec<ReadBlock>, Error> {
        let chain_id = self.lease.chain_id;
        let (blocks, standings, followed) = self.read_known(job, last).await?;
        let (Some(first), Some(top)) = (blocks.first(), blocks.last()) else { return Ok(blocks) };
        let mut documents: HashMap<String, RawEvent> = HashMap::new();
        for event in self.stores.raw.list_of_blocks(chain_id, first.header.number, top.header.number).await? {
            documents.insert(event.id.clone(), event);
        }
        // What is not followed any more was not read now.
        let is_read = |document: &RawEvent| {
            followed.contracts.get(&document.contract).is_some_and(|known| known.role != Role::Currency)
        };
        let mut tx = self.stores.db.begin().await?;
        for block in &blocks {
            let standing = standings.of_block(block);
            if matches!(standing, Standing::Other) {
                found.note("other block", format!("{} {}", block.header.number, block.header.hash));
            }
            let mut stored = standing.raw_logs();
            for event in record::raw_events(chain_id, block) {
                stored.remove(&event.log_index.cast_signed());
                match documents.remove(&event.id) {
                    None => found.note("missing document", &event.id),
                    Some(document) if !is_same(&document, &event) => {
                        found.note("altered document", &event.id);
                    }
                    Some(document) if !document.canonical => {
                        found.note("document is not canonical", &event.id);
                    }
                    Some(_) => {}
                }
            }
            // Stored and told of, and not on the chain.
            for log_index in stored {
                let id = raw_id(chain_id, block.header.hash, log_index);
                if documents.get(&id).is_none_or(is_read) {
                    found.note("log that the chain does not have", id);
                }
            }
            if let Standing::Inside(known) = &standing
                && known.is_retractable
                && !block.logs.is_empty()
            {
                let of = Of::new(chain_id, &block.header, known.generation, batch::finality(0, None, None));
                let written = batch::write(&of, record::told(block.logs.clone()), 0);
                for id in missing_of_kept(&mut tx, chain_id, block.header.hash, &written).await? {
                    found.note("missing in kept batches", id);
                }
            }
        }
        let ours: HashSet<BlockHash> = blocks.iter().map(|block| block.header.hash).collect();
        for document in documents.values().filter(|document| document.canonical) {
            match ours.contains(&document.block_hash) {
                false => found.note("document of a dead branch", &document.id),
                true if is_read(document) => found.note("document of no log", &document.id),
                true => {}
            }
        }
        Ok(blocks)
    }
}

fn is_same(document: &RawEvent, event: &RawEvent) -> bool {
    document.block_number == event.block_number
        && document.block_hash == event.block_hash
        && document.tx_hash == event.tx_hash
        && document.log_index == event.log_index
        && document.contract == event.contract
        && document.log() == event.log()
        && document.tx_from.is_none_or(|from| Some(from) == event.tx_from)
}
