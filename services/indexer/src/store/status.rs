//! What only people ask of chains: when something was last committed, how deep the last reorganisation was, and how much
//! work there is beside the following. And the head between two commits, which who stands by can know from here alone.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use ids::ChainId;
use sqlx::PgExecutor;

use crate::{error::Error, model::BlockRef};

/// What the checkpoint of a chain does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beside {
    /// None where no block was committed yet.
    pub(crate) committed_at: Option<DateTime<Utc>>,
    /// How long ago who follows the chain wrote anything of it.
    pub(crate) told_ago: Duration,
    pub(crate) last_reorg_depth: u32,
}

/// The same of one chain, or of all where none is named.
pub(crate) async fn list_beside(
    db: impl PgExecutor<'_>,
    chain_id: Option<ChainId>,
) -> Result<HashMap<ChainId, Beside>, Error> {
    let rows = sqlx::query!(
        r#"select at.chain_id, at.committed_at,
                extract(epoch from clock_timestamp() - at.updated_at)::float8 as "age!", coalesce(last.depth, 0) as "depth!"
         from indexer_checkpoints at left join lateral (
             select old_head - fork_block as depth from reorg_history
             where chain_id = at.chain_id order by detected_at desc limit 1
         ) last on true
         where $1::bigint is null or at.chain_id = $1"#,
        chain_id.map(ChainId::as_i64),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let last_reorg_depth = u32::try_from(row.depth).unwrap_or_default();
            let told_ago = Duration::try_from_secs_f64(row.age.max(0.0)).unwrap_or(Duration::MAX);
            let committed_at = row.committed_at;
            Ok((chain(row.chain_id)?, Beside { committed_at, told_ago, last_reorg_depth }))
        })
        .collect()
}

/// Writes down a head that no commit has told of: by who has committed up to the block `indexed`, and by nobody else.
pub(crate) async fn update_head(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    head: BlockRef,
    indexed: BlockRef,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update indexer_checkpoints
         set head_block = $3, head_block_hash = $4, head_block_at = $5, updated_at = now()
         where chain_id = $1 and last_block_hash = $2 and halted_at is null",
        chain_id.as_i64(),
        indexed.hash.as_slice(),
        head.number.cast_signed(),
        head.hash.as_slice(),
        head.time,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many pieces of work there are by chain and state; of those that ended, the last hour's. A trial that fails
/// leaves nothing undone, and is its asker's to see.
pub(crate) async fn count_jobs(db: impl PgExecutor<'_>) -> Result<Vec<(ChainId, String, i64)>, Error> {
    let rows = sqlx::query!(
        r#"select chain_id, state, count(*) as "count!" from jobs
         where state in ('QUEUED', 'RUNNING')
            or (ended_at > now() - interval '1 hour' and not (is_dry_run and state = 'FAILED'))
         group by chain_id, state"#,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Ok((chain(row.chain_id)?, row.state, row.count))).collect()
}

fn chain(number: i64) -> Result<ChainId, Error> {
    number.try_into().map_err(|err: ids::Invalid| Error::Stored(err.to_string()))
}
