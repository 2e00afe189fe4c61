//! Where a block that the node shows stands with us: inside the window, below it, or on another branch than ours.

use std::collections::{HashMap, HashSet};

use ids::{BlockHash, ChainId};
use sqlx::PgPool;

use crate::{
    error::Error,
    model::Checkpoint,
    record::ReadBlock,
    store::{self, late::Known},
};

/// A block of the node.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// Canonical and remembered.
    Inside(Known),
    /// Read long ago, and told in this generation.
    Below { generation: u32 },
    /// Not read yet, or not any more: the follower reads it with all that is followed.
    Above,
    /// We have another block at its height.
    Other,
}

impl Standing {
    pub(super) fn generation(&self) -> u32 {
        match self {
            Standing::Inside(known) => known.generation,
            Standing::Below { generation } => *generation,
            Standing::Above | Standing::Other => 1,
        }
    }

    /// The places of the block's logs that are stored, as far as that is remembered.
    pub(super) fn raw_logs(&self) -> HashSet<i32> {
        match self {
            Standing::Inside(known) => known.raw_logs.iter().copied().collect(),
            _ => HashSet::new(),
        }
    }
}

/// Of a range of blocks that build on one another.
pub(super) struct Standings {
    checkpoint: Checkpoint,
    lowest: Option<u64>,
    canonical: HashMap<u64, Known>,
    old_generations: HashMap<BlockHash, u32>,
}

impl Standings {
    /// As of now.
    pub(super) async fn now(
        db: &PgPool,
        chain_id: ChainId,
        blocks: &[ReadBlock],
    ) -> Result<Standings, Error> {
        let mut tx = db.begin().await?;
        // One look at all of it.
        store::late::use_one_snapshot(&mut tx).await?;
        Standings::of(&mut tx, chain_id, blocks).await
    }

    /// As of a transaction, which holds the lease.
    pub(super) async fn of(
        tx: &mut sqlx::PgConnection,
        chain_id: ChainId,
        blocks: &[ReadBlock],
    ) -> Result<Standings, Error> {
        let checkpoint = store::chain::find_checkpoint(&mut *tx, chain_id).await?.ok_or(Error::Stale)?;
        let lowest = store::late::find_lowest(&mut *tx, chain_id).await?;
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Err(Error::Inconsistent("a range has no blocks"));
        };
        let known =
            store::late::list_known(&mut *tx, chain_id, first.header.number, last.header.number).await?;
        let hashes: Vec<BlockHash> = blocks.iter().map(|block| block.header.hash).collect();
        let old = store::late::list_old_generations(&mut *tx, chain_id, &hashes).await?;
        let canonical = known.into_iter().filter(|known| known.is_canonical);
        Ok(Standings {
            checkpoint,
            lowest,
            canonical: canonical.map(|known| (known.number, known)).collect(),
            old_generations: old.into_iter().collect(),
        })
    }

    pub(super) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    pub(super) fn of_block(&self, block: &ReadBlock) -> Standing {
        let header = &block.header;
        if header.number > self.checkpoint.indexed.number {
            return Standing::Above;
        }
        match self.canonical.get(&header.number) {
            Some(known) if known.hash == header.hash => Standing::Inside(known.clone()),
            Some(_) => Standing::Other,
            None if self.lowest.is_some_and(|lowest| header.number >= lowest) => Standing::Other,
            None => {
                let generation = self.old_generations.get(&header.hash).copied().unwrap_or(1);
                Standing::Below { generation }
            }
        }
    }
}
