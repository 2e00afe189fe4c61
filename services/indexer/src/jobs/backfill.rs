//! The logs of a contract that was followed later than it was made, and of the collections that it turns out to have
//! made.

use std::collections::{HashMap, HashSet};

use ids::{Address, BlockHash};

use super::{
    Found, Job, Moved, OTHER_BRANCH, Stop, Worker, first_part,
    standing::{Standing, Standings},
};
use crate::{
    batch::{self, Of, Written},
    error::Error,
    follow::followed::Followed,
    model::Contract,
    record::{self, ReadBlock},
    store::{self, late::Missed, raw::RawEvent},
};

impl Worker {
    /// The next blocks of a backfill.
    pub(super) async fn backfill(&mut self, job: &Job) -> Result<bool, Stop> {
        let (db, chain_id) = (&self.stores.db, self.lease.chain_id);
        let checkpoint = store::chain::find_checkpoint(db, chain_id).await?.ok_or(Error::Stale)?;
        let missed = store::late::list_missed(db, job.id).await?;
        let last_missed = missed.iter().map(|missed| missed.to_block).max();
        // What is above is read by the follower, who knows the contract.
        let last = job.to_block.min(checkpoint.indexed.number).min(last_missed.unwrap_or_default());
        if job.next_block > last {
            return self.end_backfill(job).await;
        }
        let missed: HashMap<Address, Missed> =
            missed.into_iter().map(|missed| (missed.contract.address, missed)).collect();
        let contracts = missed.values().map(|missed| (missed.contract.address, missed.contract)).collect();
        let mut followed = Followed { contracts, ..Followed::default() };
        let to = self.until(job, last);
        let mut blocks = self.read(job.next_block, to, &mut followed).await?;
        for block in &mut blocks {
            let number = block.header.number;
            block.logs.retain(|read| missed.get(&read.log.address).is_none_or(|it| it.to_block >= number));
        }
        let raw = self.raw_of_missed(&blocks).await?;
        self.stores.raw.insert(&raw).await?;
        launch::failpoint("indexer.job_raw_written");
        self.commit_backfill(job, &missed, blocks).await
    }

    /// Nothing is left, or nothing of it is followed any more.
    async fn end_backfill(&self, job: &Job) -> Result<bool, Stop> {
        let chain_id = self.lease.chain_id;
        let mut tx = self.stores.db.begin().await?;
        self.lease.check(&mut tx).await?;
        let checkpoint = store::chain::find_checkpoint(&mut *tx, chain_id).await?.ok_or(Error::Stale)?;
        let missed = store::late::list_missed(&mut *tx, job.id).await?;
        let last_missed = missed.iter().map(|missed| missed.to_block).max().unwrap_or_default();
        if job.next_block <= job.to_block.min(checkpoint.indexed.number).min(last_missed) {
            return Err(Error::Stale.into());
        }
        let mut found = Found::of(job);
        if missed.is_empty() {
            found.note(
                "not followed any more",
                job.contract.as_ref().map(Address::to_lower).unwrap_or_default(),
            );
        }
        let moved = Moved { next_block: job.next_block, is_done: true, ..Moved::default() };
        self.advance(&mut tx, job, &found, moved).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The documents that are missing, as far as the blocks are ours.
    async fn raw_of_missed(&self, blocks: &[ReadBlock]) -> Result<Vec<RawEvent>, Error> {
        let standings = Standings::now(&self.stores.db, self.lease.chain_id, blocks).await?;
        let mut raw = Vec::new();
        for block in blocks {
            let standing = standings.of_block(block);
            if matches!(standing, Standing::Other) {
                return Err(Error::Inconsistent(OTHER_BRANCH));
            }
            let (known, generation) = (standing.raw_logs(), standing.generation().cast_signed());
            let missing = record::raw_events(self.lease.chain_id, block)
                .filter(|event| !known.contains(&event.log_index.cast_signed()));
            raw.extend(missing.map(|event| RawEvent { generation, ..event }));
        }
        Ok(raw)
    }

    async fn commit_backfill(
        &self,
        job: &Job,
        missed: &HashMap<Address, Missed>,
        blocks: Vec<ReadBlock>,
    ) -> Result<bool, Stop> {
        let chain_id = self.lease.chain_id;
        let mut tx = self.stores.db.begin().await?;
        self.lease.check(&mut tx).await?;
        let standings = Standings::of(&mut tx, chain_id, &blocks).await?;
        let mut told: Vec<(ReadBlock, Standing)> = Vec::new();
        for block in blocks {
            match standings.of_block(&block) {
                // The one at its height is missing these logs, and may be the one that stays.
                Standing::Other => return Err(Error::Inconsistent(OTHER_BRANCH).into()),
                Standing::Above => break,
                standing => told.push((block, standing)),
            }
        }
        let Some((last, _)) = told.last() else { return Err(Error::Stale.into()) };
        let next_block = last.header.number + 1;
        let made: Vec<Contract> = told
            .iter()
            .flat_map(|(block, _)| block.created())
            .filter(|contract| !missed.contains_key(&contract.address))
            .collect();
        let indexed = standings.checkpoint().indexed.number;
        let joined = store::contract::insert_followed(&mut tx, chain_id, &made).await?;
        if !joined.is_empty() {
            // What comes is refused until the follower knows them.
            store::chain::bump_followed_version(&mut tx, chain_id).await?;
        }
        // One that is followed may have been found by a backfill that was ended before it had fetched everything. One that
        // the follower has found, or whose backfill is done, has been read from its making on.
        let known: Vec<(Address, u64)> = made
            .iter()
            .filter(|contract| !joined.contains(&contract.address))
            .map(|contract| (contract.address, contract.from_block))
            .collect();
        let mut added = match known.as_slice() {
            [] => Vec::new(),
            known => store::late::list_unfinished(&mut tx, chain_id, known).await?,
        };
        added.extend(&joined);
        let mut to_block = job.to_block;
        if !added.is_empty() {
            // Up to here everything may have been read without them.
            store::late::insert_missed(&mut tx, job.id, chain_id, &added, indexed).await?;
            to_block = to_block.max(indexed);
        }
        let ours: HashSet<Address> = added.iter().chain(missed.keys()).copied().collect();

        let payers: Vec<(Address, Address)> = told.iter().flat_map(|(block, _)| block.payers()).collect();
        store::payer::insert_and_bump(&mut tx, chain_id, &payers).await?;

        let (mut found, trace) = (Found::of(job), launch::trace::current_traceparent());
        found.count("collections", added.len());
        let mut raw_logs: Vec<(BlockHash, i32)> = Vec::new();
        let mut kept: Vec<(BlockHash, Written)> = Vec::new();
        let (mut messages, blocks, mut events) = (Vec::new(), told.len(), 0);
        for (mut block, standing) in told {
            let stored = standing.raw_logs();
            block.logs.retain(|read| {
                ours.contains(&read.log.address) && !stored.contains(&read.log.log_index.cast_signed())
            });
            found.count("logs", block.logs.len());
            let (hash, number) = (block.header.hash, block.header.number);
            let is_inside = matches!(standing, Standing::Inside(_));
            if is_inside {
                raw_logs.extend(block.logs.iter().map(|read| (hash, read.log.log_index.cast_signed())));
            }
            let checkpoint = standings.checkpoint();
            let finality = batch::finality(number, checkpoint.safe, checkpoint.finalized);
            let of = Of::new(chain_id, &block.header, standing.generation(), finality);
            for written in batch::write(&of, record::told(block.logs), first_part(job)) {
                events += written.events;
                found.count(written.kind, written.events);
                messages.push(written.message(trace.as_deref()));
                if is_inside {
                    kept.push((hash, written));
                }
            }
        }
        let kept: Vec<(BlockHash, &Written)> = kept.iter().map(|(hash, written)| (*hash, written)).collect();
        store::chain::insert_batches(&mut tx, chain_id, &kept).await?;
        store::late::update_raw_logs(&mut tx, chain_id, &raw_logs).await?;
        bus::outbox::put_written(&mut tx, &messages).await?;
        let is_done = next_block > to_block;
        self.advance(
            &mut tx,
            job,
            &found,
            Moved { next_block, to_block: Some(to_block), blocks, events, is_done },
        )
        .await?;
        tx.commit().await?;
        launch::failpoint("indexer.job_committed");
        Ok(is_done)
    }
}
