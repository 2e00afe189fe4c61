//! How far each chain has been read, and the window of blocks that may still be taken back.

use chrono::{DateTime, Utc};
use ids::{BlockHash, ChainId};
use sqlx::{PgConnection, PgExecutor};

use crate::{
    batch::{Batch, Written},
    error::Error,
    follow::fork::Link,
    model::{BlockRef, Checkpoint, Header},
    record::Ahead,
};

struct CheckpointRow {
    chain_id: i64,
    last_block: i64,
    last_block_hash: BlockHash,
    last_block_at: DateTime<Utc>,
    head_block: i64,
    head_block_hash: BlockHash,
    head_block_at: DateTime<Utc>,
    reorg_detected_count: i64,
    last_reorg_at: Option<DateTime<Utc>>,
    halted_reason: Option<String>,
    first_block: Option<i64>,
    safe_block: Option<i64>,
    finalized_block: Option<i64>,
    followed_version: i64,
}

impl TryFrom<CheckpointRow> for Checkpoint {
    type Error = Error;

    fn try_from(row: CheckpointRow) -> Result<Checkpoint, Error> {
        let block = |number: i64, hash, time| BlockRef { number: number.cast_unsigned(), hash, time };
        Ok(Checkpoint {
            chain_id: row.chain_id.try_into().map_err(|err: ids::Invalid| Error::Stored(err.to_string()))?,
            indexed: block(row.last_block, row.last_block_hash, row.last_block_at),
            head: block(row.head_block, row.head_block_hash, row.head_block_at),
            reorgs: row.reorg_detected_count.cast_unsigned(),
            last_reorg_at: row.last_reorg_at,
            halted: row.halted_reason,
            first_block: row.first_block.map(i64::cast_unsigned),
            safe: row.safe_block.map(i64::cast_unsigned),
            finalized: row.finalized_block.map(i64::cast_unsigned),
            followed_version: row.followed_version,
        })
    }
}

/// The checkpoint of one chain, or of all where none is named.
pub(crate) async fn list_checkpoints(
    db: impl PgExecutor<'_>,
    chain_id: Option<ChainId>,
) -> Result<Vec<Checkpoint>, Error> {
    let rows = sqlx::query_as!(
        CheckpointRow,
        r#"select chain_id, last_block, last_block_hash as "last_block_hash: BlockHash", last_block_at,
                head_block, head_block_hash as "head_block_hash: BlockHash", head_block_at,
                reorg_detected_count, last_reorg_at, halted_reason, first_block, safe_block, finalized_block,
                followed_version
         from indexer_checkpoints where $1::bigint is null or chain_id = $1 order by chain_id"#,
        chain_id.map(ChainId::as_i64),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Checkpoint::try_from).collect()
}

/// The checkpoint of a chain, none before its first block.
pub(crate) async fn find_checkpoint(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
) -> Result<Option<Checkpoint>, Error> {
    Ok(list_checkpoints(db, Some(chain_id)).await?.pop())
}

/// Where reading begins: after the block `first`, whose own logs are not read. False where somebody has begun already.
pub(crate) async fn insert_checkpoint(
    tx: &mut PgConnection,
    chain_id: ChainId,
    first: BlockRef,
    head: BlockRef,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into indexer_checkpoints
             (chain_id, last_block, last_block_hash, last_block_at, head_block, head_block_hash, head_block_at,
              first_block)
         values ($1, $2, $3, $4, $5, $6, $7, $2::bigint + 1) on conflict (chain_id) do nothing",
        chain_id.as_i64(),
        first.number.cast_signed(),
        first.hash.as_slice(),
        first.time,
        head.number.cast_signed(),
        head.hash.as_slice(),
        head.time,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The number of what is followed; a commit under an older one is refused. Read before the contracts and payers that it
/// stands for.
pub(crate) async fn find_followed_version(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "select followed_version from indexer_checkpoints where chain_id = $1",
        chain_id.as_i64(),
    )
    .fetch_optional(db)
    .await
}

/// Says that contracts or payers have joined of which the follower may not know. It waits for a commit of the follower,
/// and the next one is refused: so no block is read without them.
pub(crate) async fn bump_followed_version(
    tx: &mut PgConnection,
    chain_id: ChainId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update indexer_checkpoints set followed_version = followed_version + 1 where chain_id = $1",
        chain_id.as_i64(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// From where a checkpoint moves, and what its worker knew of whose logs count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaves {
    pub(crate) hash: BlockHash,
    pub(crate) followed_version: i64,
}

/// Moves the checkpoint to another block; false where it is not at the first one, by hash, where the chain is halted, or
/// where more is followed than its worker knew. The marks are left as they were where the node's are not known.
pub(crate) async fn update_checkpoint(
    tx: &mut PgConnection,
    chain_id: ChainId,
    from: Leaves,
    to: BlockRef,
    ahead: &Ahead,
    is_reorg: bool,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query!(
        "update indexer_checkpoints
         set last_block = $3, last_block_hash = $4, last_block_at = $5,
             head_block = $6, head_block_hash = $7, head_block_at = $8,
             reorg_detected_count = reorg_detected_count + $9::boolean::int,
             last_reorg_at = case when $9 then now() else last_reorg_at end,
             safe_block = coalesce($11, safe_block), finalized_block = coalesce($12, finalized_block),
             updated_at = now(), committed_at = now()
         where chain_id = $1 and last_block_hash = $2 and followed_version = $10 and halted_at is null",
        chain_id.as_i64(),
        from.hash.as_slice(),
        to.number.cast_signed(),
        to.hash.as_slice(),
        to.time,
        ahead.head.number.cast_signed(),
        ahead.head.hash.as_slice(),
        ahead.head.time,
        is_reorg,
        from.followed_version,
        ahead.safe.map(u64::cast_signed),
        ahead.finalized.map(u64::cast_signed),
    )
    .execute(tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Stops a chain until an operator has looked at it.
pub(crate) async fn update_halted(
    tx: &mut PgConnection,
    chain_id: ChainId,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update indexer_checkpoints set halted_at = now(), halted_reason = $2, updated_at = now()
         where chain_id = $1 and halted_at is null",
        chain_id.as_i64(),
        reason,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes blocks canonical and tells the generation of each that was not, one more than the last that was ever told: one
/// that is canonical already comes back not at all, so that a re-scan publishes nothing.
pub(crate) async fn insert_blocks(
    tx: &mut PgConnection,
    chain_id: ChainId,
    headers: &[&Header],
    raw_logs: &[(BlockHash, i32)],
    retractable_from: u64,
) -> Result<Vec<(BlockHash, u32)>, sqlx::Error> {
    let hashes: Vec<BlockHash> = headers.iter().map(|header| header.hash).collect();
    let numbers: Vec<i64> = headers.iter().map(|header| header.number.cast_signed()).collect();
    let parents: Vec<BlockHash> = headers.iter().map(|header| header.parent_hash).collect();
    let times: Vec<DateTime<Utc>> = headers.iter().map(|header| header.time).collect();
    let (of_blocks, indexes): (Vec<BlockHash>, Vec<i32>) = raw_logs.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"with logs as (
             select hash, array_agg(log_index order by log_index) as indexes
             from unnest($6::bytea[], $7::int[]) as log (hash, log_index) group by hash
         )
         insert into blocks
             (chain_id, hash, number, parent_hash, block_at, is_canonical, generation,
              raw_logs, raw_canonical, raw_generation, is_retractable)
         select $1, new.hash, new.number, new.parent_hash, new.block_at, true, 1 + coalesce(old.generation, 0),
                coalesce(logs.indexes, '{}'), true, 1, new.number >= $8 or logs.indexes is null
         from unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::timestamptz[])
              as new (hash, number, parent_hash, block_at)
         left join logs using (hash)
         left join old_generations old on old.chain_id = $1 and old.hash = new.hash
         on conflict on constraint blocks_pkey do update
             set is_canonical = true, generation = greatest(blocks.generation + 1, excluded.generation),
                 raw_logs = excluded.raw_logs,
                 is_retractable = excluded.is_retractable
             where not blocks.is_canonical
         returning hash as "hash: BlockHash", generation"#,
        chain_id.as_i64(),
        hashes as _,
        &numbers,
        parents as _,
        &times,
        of_blocks as _,
        &indexes,
        retractable_from.cast_signed(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hash, row.generation.cast_unsigned())).collect())
}

/// Takes back every block above a height; newest first, and whether what was told of it is known.
pub(crate) async fn update_retracted(
    tx: &mut PgConnection,
    chain_id: ChainId,
    ancestor: u64,
) -> Result<Vec<(BlockHash, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with taken as (
             update blocks set is_canonical = false
             where chain_id = $1 and number > $2 and is_canonical returning hash, number, is_retractable
         )
         select hash as "hash!: BlockHash", is_retractable as "is_retractable!" from taken order by number desc"#,
        chain_id.as_i64(),
        ancestor.cast_signed(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hash, row.is_retractable)).collect())
}

/// A canonical block by its height.
pub(crate) async fn find_canonical(
    tx: &mut PgConnection,
    chain_id: ChainId,
    number: u64,
) -> Result<Option<BlockRef>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select number, hash as "hash: BlockHash", block_at from blocks
         where chain_id = $1 and number = $2 and is_canonical"#,
        chain_id.as_i64(),
        number.cast_signed(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| BlockRef { number: row.number.cast_unsigned(), hash: row.hash, time: row.block_at }))
}

/// The newest canonical blocks, oldest first.
pub(crate) async fn list_window(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    limit: u64,
) -> Result<Vec<Link>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select number, hash as "hash: BlockHash", parent_hash as "parent_hash: BlockHash" from blocks
         where chain_id = $1 and is_canonical order by number desc limit $2"#,
        chain_id.as_i64(),
        limit.cast_signed(),
    )
    .fetch_all(db)
    .await?;
    let link = |number: i64, hash, parent_hash| Link { number: number.cast_unsigned(), hash, parent_hash };
    Ok(rows.into_iter().rev().map(|row| link(row.number, row.hash, row.parent_hash)).collect())
}

/// Keeps what was published of blocks, for a retraction.
pub(crate) async fn insert_batches(
    tx: &mut PgConnection,
    chain_id: ChainId,
    batches: &[(BlockHash, &Written)],
) -> Result<(), sqlx::Error> {
    if batches.is_empty() {
        return Ok(());
    }
    let hashes: Vec<BlockHash> = batches.iter().map(|(hash, _)| *hash).collect();
    let kinds: Vec<String> = batches.iter().map(|(_, batch)| batch.kind.to_owned()).collect();
    let parts: Vec<i64> = batches.iter().map(|(_, batch)| batch.part.cast_signed()).collect();
    let bodies: Vec<String> = batches.iter().map(|(_, batch)| batch.kept()).collect();
    sqlx::query!(
        "insert into block_batches (chain_id, block_hash, kind, part, body)
         select $1, block_hash, kind, part, body::jsonb
         from unnest($2::bytea[], $3::text[], $4::bigint[], $5::text[]) as new (block_hash, kind, part, body)
         on conflict on constraint block_batches_pkey do update set body = excluded.body",
        chain_id.as_i64(),
        hashes as _,
        &kinds,
        &parts,
        &bodies,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets what was published of blocks in an older generation.
pub(crate) async fn delete_batches(
    tx: &mut PgConnection,
    chain_id: ChainId,
    blocks: &[BlockHash],
) -> Result<(), sqlx::Error> {
    if blocks.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from block_batches where chain_id = $1 and block_hash = any($2::bytea[])",
        chain_id.as_i64(),
        blocks as _,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was published of a block.
pub(crate) async fn list_batches(
    tx: &mut PgConnection,
    chain_id: ChainId,
    block: BlockHash,
) -> Result<Vec<(u64, Batch)>, Error> {
    let rows = sqlx::query!(
        "select part, body from block_batches where chain_id = $1 and block_hash = $2 order by kind, part",
        chain_id.as_i64(),
        block.as_slice(),
    )
    .fetch_all(tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let batch = serde_json::from_value(row.body).map_err(|err| Error::Stored(err.to_string()))?;
            Ok((row.part.cast_unsigned(), batch))
        })
        .collect()
}

/// Notes a reorganisation for people.
pub(crate) async fn insert_reorg(
    tx: &mut PgConnection,
    chain_id: ChainId,
    fork_block: u64,
    old_head: Link,
    affected_blocks: usize,
    retracted_messages: usize,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into reorg_history (chain_id, fork_block, old_head, old_head_hash, affected_blocks, retracted_messages)
         values ($1, $2, $3, $4, $5, $6)",
        chain_id.as_i64(),
        fork_block.cast_signed(),
        old_head.number.cast_signed(),
        old_head.hash.as_slice(),
        i32::try_from(affected_blocks).unwrap_or(i32::MAX),
        i32::try_from(retracted_messages).unwrap_or(i32::MAX),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A block whose documents in Mongo say something older than its row.
pub(crate) struct RawBehind {
    pub(crate) hash: BlockHash,
    pub(crate) is_canonical: bool,
    pub(crate) generation: i32,
    pub(crate) raw_logs: Vec<i32>,
}

/// Blocks whose documents must be brought into line.
pub(crate) async fn list_raw_behind(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    limit: i64,
) -> Result<Vec<RawBehind>, sqlx::Error> {
    sqlx::query_as!(
        RawBehind,
        r#"select hash as "hash: BlockHash", is_canonical, generation, raw_logs from blocks
         where chain_id = $1 and (raw_canonical <> is_canonical or raw_generation <> generation) limit $2"#,
        chain_id.as_i64(),
        limit,
    )
    .fetch_all(db)
    .await
}

/// Notes what the documents of a block say now. If the block has changed again meanwhile, it stays behind.
pub(crate) async fn update_raw(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    told: &RawBehind,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update blocks set raw_canonical = $3, raw_generation = $4 where chain_id = $1 and hash = $2",
        chain_id.as_i64(),
        told.hash.as_slice(),
        told.is_canonical,
        told.generation,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets blocks below a height, with what was published of them, once their documents are in line. How often one was
/// told is remembered where that is not once and for good.
pub(crate) async fn delete_blocks_below(
    tx: &mut PgConnection,
    chain_id: ChainId,
    number: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with gone as (
             delete from blocks where chain_id = $1 and number < $2
               and raw_canonical = is_canonical and raw_generation = generation
             returning hash, generation, is_canonical, raw_logs
         )
         insert into old_generations (chain_id, hash, generation)
         select $1, hash, generation from gone
         where generation > 1 or (not is_canonical and raw_logs <> '{}')
         on conflict on constraint old_generations_pkey do update
             set generation = greatest(old_generations.generation, excluded.generation)",
        chain_id.as_i64(),
        number.cast_signed(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Which of these blocks are canonical, as far as they are remembered.
pub(crate) async fn list_canonical(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    hashes: &[BlockHash],
) -> Result<Vec<(BlockHash, bool)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select hash as "hash: BlockHash", is_canonical from blocks
         where chain_id = $1 and hash = any($2::bytea[])"#,
        chain_id.as_i64(),
        hashes as _,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hash, row.is_canonical)).collect())
}
