//! Everything of a range is told once more, under the ids and in the generation that its consumers know, and what was
//! lost of it in the stores is written again.

use std::collections::{HashMap, HashSet};

use events::chain;
use ids::BlockHash;
use serde_json::Value;

use super::{
    Found, Job, Moved, OTHER_BRANCH, Stop, Worker, first_part,
    standing::{Standing, Standings},
};
use crate::{
    batch::{self, Batch, Of, Told, Written},
    error::Error,
    follow::{followed::Followed, position},
    model::Role,
    record::{self, ReadBlock},
    store::{self, raw::RawEvent},
};

impl Worker {
    /// The next blocks of a replay.
    pub(super) async fn replay(&mut self, job: &Job) -> Result<bool, Stop> {
        let (db, chain_id) = (&self.stores.db, self.lease.chain_id);
        let checkpoint = store::chain::find_checkpoint(db, chain_id).await?.ok_or(Error::Stale)?;
        let last = job.to_block.min(checkpoint.indexed.number);
        if job.next_block > last {
            return self.end(job, &Found::of(job)).await;
        }
        let (blocks, standings, _) = self.read_known(job, last).await?;
        let mut found = Found::of(job);
        self.restore_raw(job, &blocks, &standings, &mut found).await?;
        launch::failpoint("indexer.job_raw_written");
        self.tell_again(job, blocks, found).await
    }

    /// Blocks with the logs that have been told of: a payer who is followed by now may not have been then.
    pub(super) async fn read_known(
        &mut self,
        job: &Job,
        last: u64,
    ) -> Result<(Vec<ReadBlock>, Standings, Followed), Error> {
        let known = position::followed(&self.stores, &self.lease).await?;
        let mut followed = known.clone();
        let to = self.until(job, last);
        let mut blocks = self.read(job.next_block, to, &mut followed).await?;
        let standings = Standings::now(&self.stores.db, self.lease.chain_id, &blocks).await?;
        for block in &mut blocks {
            let standing = standings.of_block(block);
            let stored = standing.raw_logs();
            block.logs.retain(|read| {
                known.contracts.contains_key(&read.log.address)
                    && match standing {
                        Standing::Inside(_) => stored.contains(&read.log.log_index.cast_signed()),
                        // Whose money counted then is not known.
                        Standing::Below { .. } => read.role != Role::Currency,
                        Standing::Above | Standing::Other => true,
                    }
            });
        }
        Ok((blocks, standings, known))
    }

    /// Ends a job that has nothing left to look at.
    pub(super) async fn end(&self, job: &Job, found: &Found) -> Result<bool, Stop> {
        let mut tx = self.stores.db.begin().await?;
        self.lease.check(&mut tx).await?;
        let moved = Moved { next_block: job.next_block, is_done: true, ..Moved::default() };
        self.advance(&mut tx, job, found, moved).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Documents that are lost are written, and those of branches that are gone are told so.
    async fn restore_raw(
        &self,
        job: &Job,
        blocks: &[ReadBlock],
        standings: &Standings,
        found: &mut Found,
    ) -> Result<(), Error> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(()) };
        let chain_id = self.lease.chain_id;
        let mut stored = HashMap::new();
        let (first, last) = (first.header.number, last.header.number);
        for event in self.stores.raw.list_of_blocks(chain_id, first, last).await? {
            stored.insert(event.id.clone(), event);
        }
        let (mut lost, mut behind) = (Vec::new(), Vec::new());
        for block in blocks {
            let standing = standings.of_block(block);
            if matches!(standing, Standing::Other) {
                return Err(Error::Inconsistent(OTHER_BRANCH));
            }
            let generation = standing.generation().cast_signed();
            for event in record::raw_events(chain_id, block) {
                match stored.remove(&event.id) {
                    Some(stored) if stored.canonical && stored.generation == generation => {}
                    Some(stored) => behind.push((vec![stored.id], true, generation)),
                    None => lost.push(RawEvent { generation, ..event }),
                }
            }
        }
        found.count("documents restored", lost.len());
        // What is left belongs to no block of the chain.
        let ours: HashSet<BlockHash> = blocks.iter().map(|block| block.header.hash).collect();
        let dead: Vec<RawEvent> = stored
            .into_values()
            .filter(|event| event.canonical && !ours.contains(&event.block_hash))
            .collect();
        found.count("documents of dead branches", dead.len());
        if job.is_dry_run {
            return Ok(());
        }
        self.stores.raw.insert(&lost).await?;
        let dead = dead.into_iter().map(|event| (vec![event.id], false, event.generation));
        for (ids, is_canonical, generation) in behind.into_iter().chain(dead) {
            self.stores.raw.mark(ids, is_canonical, generation).await?;
        }
        Ok(())
    }

    async fn tell_again(&self, job: &Job, blocks: Vec<ReadBlock>, mut found: Found) -> Result<bool, Stop> {
        let chain_id = self.lease.chain_id;
        let mut tx = self.stores.db.begin().await?;
        self.lease.check(&mut tx).await?;
        let standings = Standings::of(&mut tx, chain_id, &blocks).await?;
        let trace = launch::trace::current_traceparent();
        let (mut messages, mut moved) =
            (Vec::new(), Moved { next_block: job.next_block, ..Moved::default() });
        for block in blocks {
            let standing = standings.of_block(&block);
            match standing {
                Standing::Other => return Err(Error::Inconsistent(OTHER_BRANCH).into()),
                // Taken back meanwhile; what is read in its place is told as new.
                Standing::Above => break,
                Standing::Inside(_) | Standing::Below { .. } => {}
            }
            let (hash, number) = (block.header.hash, block.header.number);
            let checkpoint = standings.checkpoint();
            let finality = batch::finality(number, checkpoint.safe, checkpoint.finalized);
            let of = Of::new(chain_id, &block.header, standing.generation(), finality);
            let told = record::told(block.logs);
            let is_kept =
                matches!(&standing, Standing::Inside(known) if known.is_retractable) && !told.is_empty();
            let again = if is_kept { told.clone() } else { Vec::new() };
            let written = batch::write(&of, told, first_part(job));
            for part in &written {
                found.count(part.kind, part.events);
                moved.events += part.events;
                messages.push(part.message(trace.as_deref()));
            }
            if is_kept {
                let missing = missing_of_kept(&mut tx, chain_id, hash, &written).await?;
                if !missing.is_empty() {
                    found.count("kept batches restored", 1);
                }
                if !missing.is_empty() && !job.is_dry_run {
                    // What is kept stays as it is: it may hold what is not followed any more.
                    let restored = batch::write(&of, only(again, &of, &missing), first_part(job));
                    let kept: Vec<(BlockHash, &Written)> = restored.iter().map(|part| (hash, part)).collect();
                    store::chain::insert_batches(&mut tx, chain_id, &kept).await?;
                }
            }
            moved.blocks += 1;
            moved.next_block = number + 1;
        }
        if !job.is_dry_run {
            bus::outbox::put_written(&mut tx, &messages).await?;
        }
        moved.is_done = moved.next_block > job.to_block;
        if moved.blocks == 0 {
            return Err(Error::Stale.into());
        }
        self.advance(&mut tx, job, &found, moved).await?;
        tx.commit().await?;
        launch::failpoint("indexer.job_committed");
        Ok(moved.is_done)
    }
}

/// The events of a block that a retraction would not name: their ids.
pub(super) async fn missing_of_kept(
    tx: &mut sqlx::PgConnection,
    chain_id: ids::ChainId,
    block: BlockHash,
    written: &[Written],
) -> Result<Vec<String>, Error> {
    let kept = store::chain::list_batches(tx, chain_id, block).await?;
    let mut known = HashSet::new();
    for (_, batch) in &kept {
        known.extend(event_ids(&serde_json::to_value(batch).expect("batches are plain structs")));
    }
    let mut missing = Vec::new();
    for part in written {
        let batch: Batch =
            serde_json::from_str(&part.kept()).map_err(|err| Error::Stored(err.to_string()))?;
        let ids = event_ids(&serde_json::to_value(&batch).expect("batches are plain structs"));
        missing.extend(ids.into_iter().filter(|id| !known.contains(id)));
    }
    Ok(missing)
}

/// What of these logs tells of the events with these ids.
fn only(mut told: Vec<Told>, of: &Of, ids: &[String]) -> Vec<Told> {
    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
    for log in &mut told {
        let (tx_hash, log_index) = (log.tx_hash, log.log_index);
        log.facts.retain(|(index, _)| {
            let id = chain::event_id(of.chain_id, of.block.hash, tx_hash, log_index, *index);
            ids.contains(id.as_str())
        });
    }
    told
}

fn event_ids(batch: &Value) -> Vec<String> {
    let events = batch["batch"]["events"].as_array();
    events.into_iter().flatten().filter_map(|event| Some(event["id"].as_str()?.to_owned())).collect()
}
