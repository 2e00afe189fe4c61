//! Everything above a block is taken back, event by event from the newest down, and the chain is read again from there:
//! the way out for a chain that is halted, because a reorganisation was deeper than what is kept of its blocks.
//!
//! What was told of a block is known word for word inside the window. Below it, it is had again from the documents of
//! its logs, and how often the block was told is remembered, so that it is told in its next generation if it comes back.

use std::collections::{BTreeMap, HashSet};

use ids::BlockHash;

use super::{
    COMMIT_WEIGHT, Found, Job, Moved, Stop, Worker, first_part,
    fork_point::{self, Meeting},
    taken::{Decoder, Taken, fitting, take_known, take_stored},
};
use crate::{
    error::Error,
    follow::{
        fetch,
        fork::{Link, View},
    },
    model::{BlockRef, Header},
    store::{
        self,
        job::State,
        late::Known,
        raw::{RawEvent, RawMark},
    },
};

/// Blocks that are taken back in one commit at most.
const AT_ONCE: u64 = 100;
/// What the halted chain says of itself meanwhile, before the number of the job.
const REWINDING: &str = "rewinding, job ";

impl Worker {
    /// The next step of a rewind, going down.
    pub(super) async fn rewind(&mut self, job: &Job) -> Result<bool, Stop> {
        match job.state {
            State::Queued => self.begin_rewind(job).await,
            _ if job.next_block >= job.from_block => self.take_back(job).await,
            _ if job.is_dry_run => self.end(job, &Found::of(job)).await,
            _ => self.go_on_from(job).await,
        }
    }

    /// The chain is stopped, so that nothing is added to what is to be taken back.
    async fn begin_rewind(&self, job: &Job) -> Result<bool, Stop> {
        let chain_id = self.lease.chain_id;
        let (base, is_known) = self.check_base(job).await?;
        let mut found = Found::of(job);
        if !is_known {
            found.note("nothing stored tells whether this block is ours", base.number);
        }
        let mut tx = self.stores.db.begin().await?;
        self.lease.check(&mut tx).await?;
        let checkpoint = store::chain::find_checkpoint(&mut *tx, chain_id).await?.ok_or(Error::Stale)?;
        let indexed = checkpoint.indexed.number;
        if job.from_block > indexed {
            return Err(Stop::Never(format!("the chain is read up to block {indexed} only")));
        }
        let earlier =
            checkpoint.halted.as_deref().and_then(|reason| reason.strip_prefix(REWINDING)?.parse().ok());
        if let Some(earlier) = earlier
            && let Some(earlier) = store::job::find_job(&mut *tx, earlier).await?
            && earlier.from_block < job.from_block
        {
            // Blocks below this rewind's end have been taken back already.
            let (id, from) = (earlier.id, earlier.from_block);
            return Err(Stop::Never(format!(
                "job {id} has begun to rewind to block {from}: rewind as deep or deeper"
            )));
        }
        if !job.is_dry_run {
            store::late::update_rewinding(&mut tx, chain_id, &format!("{REWINDING}{}", job.id)).await?;
        }
        let moved = Moved { next_block: indexed, to_block: Some(indexed), ..Moved::default() };
        self.advance(&mut tx, job, &found, moved).await?;
        tx.commit().await?;
        tracing::warn!(
            chain.id = %chain_id, job.id = job.id, from_block = job.from_block, to_block = indexed,
            dry_run = job.is_dry_run, "a chain is being rewound",
        );
        Ok(false)
    }

    /// The node's block below the rewind, which must be one that we have told of, and whether that is known.
    async fn check_base(&self, job: &Job) -> Result<(Header, bool), Stop> {
        let below = job.from_block.saturating_sub(1);
        let (chain_id, at_once) = (self.lease.chain_id, self.at_once());
        match fork_point::base(&self.stores, &self.node, chain_id, below, at_once).await? {
            Meeting::Ours(header) => Ok((header, true)),
            Meeting::Unknown(header) => {
                tracing::warn!(
                    chain.id = %self.lease.chain_id, job.id = job.id, block.number = below,
                    "nothing is stored by which the block below the rewind could be told to be ours",
                );
                Ok((header, false))
            }
            Meeting::Other(why) => Err(Stop::Never(why)),
        }
    }

    /// How many blocks' documents are asked for at once.
    fn at_once(&self) -> u64 {
        self.range.blocks.clamp(1, AT_ONCE)
    }

    async fn take_back(&mut self, job: &Job) -> Result<bool, Stop> {
        let (chain_id, high) = (self.lease.chain_id, job.next_block);
        if !job.is_dry_run {
            self.mark_dead(high + 1, job.to_block).await?;
        }
        let lowest = job.from_block.max((high + 1).saturating_sub(self.at_once()));
        let low = fitting(&self.stores.raw.list_marks(chain_id, lowest, high).await?, lowest, high);
        let mut stored: BTreeMap<u64, BTreeMap<BlockHash, Vec<RawEvent>>> = BTreeMap::new();
        for document in self.stores.raw.list_of_blocks(chain_id, low, high).await? {
            let of_height = stored.entry(document.block_number.cast_unsigned()).or_default();
            of_height.entry(document.block_hash).or_default().push(document);
        }
        let mut tx = self.stores.db.begin().await?;
        self.lease.check(&mut tx).await?;
        let contracts = store::contract::list_followed(&mut *tx, chain_id).await?;
        let decoder = Decoder {
            contracts: contracts.into_iter().map(|contract| (contract.address, contract)).collect(),
            fork_block: job.from_block.saturating_sub(1),
            first_part: first_part(job),
        };
        let mut known: BTreeMap<u64, Vec<Known>> = BTreeMap::new();
        for block in store::late::list_known(&mut *tx, chain_id, low, high).await? {
            known.entry(block.number).or_default().push(block);
        }
        let mut taken = Taken { found: Found::of(job), ..Taken::default() };
        let mut reached = high;
        for number in (low..=high).rev() {
            let (known, stored) = (known.remove(&number), stored.remove(&number).unwrap_or_default());
            match known {
                Some(known) => take_known(&mut tx, &decoder, chain_id, &known, stored, &mut taken).await?,
                None => {
                    taken.found.count("blocks known by documents alone", 1);
                    take_stored(&mut tx, &decoder, chain_id, number, stored, &mut taken).await?;
                }
            }
            reached = number;
            if taken.weight > COMMIT_WEIGHT {
                break;
            }
        }
        let Taken { mut found, messages, generations, events, .. } = taken;
        found.count("messages", messages.len());
        if !job.is_dry_run {
            bus::outbox::put_all(&mut tx, &messages).await?;
            store::late::insert_old_generations(&mut tx, chain_id, &generations).await?;
            store::late::update_rewound(&mut tx, chain_id, reached, high).await?;
            store::late::delete_followed_above(&mut tx, chain_id, reached).await?;
        }
        let (next_block, blocks) = (reached.saturating_sub(1), to_usize(high + 1 - reached));
        self.advance(&mut tx, job, &found, Moved { next_block, blocks, events, ..Moved::default() }).await?;
        tx.commit().await?;
        launch::failpoint("indexer.job_committed");
        match reached == lowest {
            true => self.range.had(self.range.blocks, 0),
            false => self.range.blocks = high + 1 - reached,
        }
        Ok(false)
    }

    /// The documents of blocks that the step before took back, and that are known by documents alone, say so, also if
    /// that step was the last thing that somebody did. Those of the window's blocks are the follower's, by their rows.
    /// Others were written of blocks that were never told, perhaps of those that come.
    async fn mark_dead(&self, from: u64, top: u64) -> Result<(), Error> {
        if from > top {
            return Ok(());
        }
        let chain_id = self.lease.chain_id;
        let mut marks = self.marks(from, top.min(from + AT_ONCE)).await?;
        marks.retain(|mark| mark.canonical);
        let hashes: HashSet<BlockHash> = marks.iter().map(|mark| mark.block_hash).collect();
        let hashes: Vec<BlockHash> = hashes.into_iter().collect();
        let old = store::late::list_old_generations(&self.stores.db, chain_id, &hashes).await?;
        let old: HashSet<BlockHash> = old.into_iter().map(|(hash, _)| hash).collect();
        let mut dead: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for mark in marks.into_iter().filter(|mark| old.contains(&mark.block_hash)) {
            dead.entry(mark.generation).or_default().push(mark.id);
        }
        for (generation, ids) in dead {
            self.stores.raw.mark(ids, false, generation).await?;
        }
        Ok(())
    }

    /// Of which blocks there are documents, asked for a few blocks at once.
    async fn marks(&self, low: u64, high: u64) -> Result<Vec<RawMark>, Error> {
        let (mut marks, mut from) = (Vec::new(), low);
        while from <= high {
            let to = high.min(from + self.at_once() - 1);
            marks.append(&mut self.stores.raw.list_marks(self.lease.chain_id, from, to).await?);
            from = to + 1;
        }
        Ok(marks)
    }

    /// Everything is taken back: the chain goes on from the node's block below.
    async fn go_on_from(&self, job: &Job) -> Result<bool, Stop> {
        let chain_id = self.lease.chain_id;
        self.mark_dead(job.from_block, job.to_block).await?;
        let (base, _) = self.check_base(job).await?;
        let first = {
            let checkpoint = store::chain::find_checkpoint(&self.stores.db, chain_id).await?;
            checkpoint.and_then(|checkpoint| checkpoint.first_block).unwrap_or(1).saturating_sub(1)
        };
        let window = View::window(self.chain.borrow().reorg_depth);
        let low = first.max((base.number + 1).saturating_sub(window)).min(base.number);
        let headers = fetch::headers(&self.node, low, base.number).await?;
        if headers.last().map(|last| last.hash) != Some(base.hash) {
            return Err(Error::Inconsistent("the node has left the block below the rewind").into());
        }
        let hashes: HashSet<BlockHash> = headers.iter().map(|header| header.hash).collect();
        let mut marks = self.marks(low, base.number).await?;
        marks.retain(|mark| mark.canonical && hashes.contains(&mark.block_hash));
        let raw_logs: Vec<(BlockHash, i32)> =
            marks.iter().map(|mark| (mark.block_hash, mark.log_index.cast_signed())).collect();
        launch::failpoint("indexer.job_raw_written");

        let mut tx = self.stores.db.begin().await?;
        self.lease.check(&mut tx).await?;
        let checkpoint = store::chain::find_checkpoint(&mut *tx, chain_id).await?.ok_or(Error::Stale)?;
        let known = store::late::list_known(&mut *tx, chain_id, low, base.number).await?;
        if let Some(other) = known.iter().find(|block| block.is_canonical && !hashes.contains(&block.hash)) {
            let number = other.number;
            return Err(Stop::Never(format!(
                "the node's block {number} is not ours: rewind to there or below"
            )));
        }
        store::late::insert_again(&mut tx, chain_id, &headers, &raw_logs).await?;
        store::late::update_missed(&mut tx, chain_id, base.number).await?;
        store::late::update_rewound_to(&mut tx, chain_id, BlockRef::from(&base)).await?;
        let tip = Link {
            number: job.to_block,
            hash: checkpoint.indexed.hash,
            parent_hash: checkpoint.indexed.hash,
        };
        let found = Found::of(job);
        let (blocks, messages) = (to_usize(job.blocks), to_usize(found.of_name("messages")));
        store::chain::insert_reorg(&mut tx, chain_id, base.number, tip, blocks, messages).await?;
        let moved = Moved { next_block: job.next_block, is_done: true, ..Moved::default() };
        self.advance(&mut tx, job, &found, moved).await?;
        // The follower has another end of the chain in mind: whoever takes the lease next opens the chain anew, and brings
        // the documents of what was taken back into line.
        store::late::end_lease(&mut tx, chain_id).await?;
        tx.commit().await?;
        launch::failpoint("indexer.job_committed");
        tracing::warn!(
            chain.id = %chain_id, job.id = job.id, block.number = base.number, blocks, messages,
            "a chain was rewound and goes on",
        );
        Ok(true)
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
