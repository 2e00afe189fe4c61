//! What pieces of work need of what is known of blocks: which of them are inside the window, what was told of them, and
//! how often.

use chrono::{DateTime, Utc};
use ids::{Address, BlockHash, ChainId};
use sqlx::{PgConnection, PgExecutor};

use crate::{
    error::Error,
    model::{BlockRef, Contract, Header, Role},
};

/// A contract whose logs a backfill fetches, up to a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Missed {
    pub(crate) contract: Contract,
    pub(crate) to_block: u64,
}

/// Whose logs a backfill fetches. One that is not followed any more is not fetched either.
pub(crate) async fn list_missed(db: impl PgExecutor<'_>, job: i64) -> Result<Vec<Missed>, Error> {
    let rows = sqlx::query!(
        r#"select c.address as "address: Address", c.standard, c.from_block,
                c.created_block_hash as "created_in: BlockHash", j.to_block
         from job_contracts j join followed_contracts c on c.chain_id = j.chain_id and c.address = j.address
         where j.job_id = $1"#,
        job,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let role = Role::parse(&row.standard).ok_or_else(|| Error::Stored(row.standard.clone()))?;
            let from_block = row.from_block.cast_unsigned();
            let contract = Contract { address: row.address, role, from_block, created_in: row.created_in };
            Ok(Missed { contract, to_block: row.to_block.cast_unsigned() })
        })
        .collect()
}

/// Adds to whose logs a backfill fetches.
pub(crate) async fn insert_missed(
    tx: &mut PgConnection,
    job: i64,
    chain_id: ChainId,
    contracts: &[Address],
    to_block: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into job_contracts (job_id, chain_id, address, to_block)
         select $1, $2, address, $4 from unnest($3::bytea[]) as new (address)
         on conflict on constraint job_contracts_pkey do nothing",
        job,
        chain_id.as_i64(),
        contracts as _,
        to_block.cast_signed(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Those of these collections, each with the block that it was made in, of which something may never have been told: a
/// backfill has begun to fetch their logs, and none has ended well that began at or below their making. What no backfill
/// has found was found by the follower, and is read from its making on.
pub(crate) async fn list_unfinished(
    tx: &mut PgConnection,
    chain_id: ChainId,
    made: &[(Address, u64)],
) -> Result<Vec<Address>, sqlx::Error> {
    let (addresses, made_in): (Vec<Address>, Vec<i64>) =
        made.iter().map(|(address, number)| (*address, number.cast_signed())).unzip();
    sqlx::query_scalar!(
        r#"select made.address as "address!: Address"
         from unnest($2::bytea[], $3::bigint[]) as made (address, made_in)
         where exists (select 1 from job_contracts c where c.chain_id = $1 and c.address = made.address)
           and not exists (select 1 from job_contracts c join jobs j on j.id = c.job_id
                           where c.chain_id = $1 and c.address = made.address
                             and j.state = 'DONE' and j.from_block <= made.made_in)"#,
        chain_id.as_i64(),
        addresses as _,
        &made_in,
    )
    .fetch_all(tx)
    .await
}

/// Above this block everything is read again with the contracts that backfills fetch: nothing is missed there any more.
pub(crate) async fn update_missed(
    tx: &mut PgConnection,
    chain_id: ChainId,
    ancestor: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update job_contracts set to_block = $2 where chain_id = $1 and to_block > $2",
        chain_id.as_i64(),
        ancestor.cast_signed(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A block of the window.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) hash: BlockHash,
    pub(crate) number: u64,
    pub(crate) time: DateTime<Utc>,
    pub(crate) parent_hash: BlockHash,
    pub(crate) is_canonical: bool,
    pub(crate) generation: u32,
    pub(crate) raw_logs: Vec<i32>,
    pub(crate) is_retractable: bool,
}

/// The blocks of these heights that are remembered, canonical and not; lowest first.
pub(crate) async fn list_known(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    from: u64,
    to: u64,
) -> Result<Vec<Known>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select hash as "hash: BlockHash", number, block_at, parent_hash as "parent_hash: BlockHash", is_canonical,
                generation, raw_logs, is_retractable
         from blocks where chain_id = $1 and number between $2 and $3 order by number"#,
        chain_id.as_i64(),
        from.cast_signed(),
        to.cast_signed(),
    )
    .fetch_all(db)
    .await?;
    let known = rows.into_iter().map(|row| Known {
        hash: row.hash,
        number: row.number.cast_unsigned(),
        time: row.block_at,
        parent_hash: row.parent_hash,
        is_canonical: row.is_canonical,
        generation: row.generation.cast_unsigned(),
        raw_logs: row.raw_logs,
        is_retractable: row.is_retractable,
    });
    Ok(known.collect())
}

/// Where the window begins: the lowest block of those that are remembered without a gap. One that has left the window may
/// stay for a while, until its documents are in line.
pub(crate) async fn find_lowest(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
) -> Result<Option<u64>, sqlx::Error> {
    let lowest = sqlx::query_scalar!(
        "with known as (
             select number, number + row_number() over (order by number desc) as island
             from blocks where chain_id = $1 and is_canonical
         )
         select min(number) from known where island = (select max(island) from known)",
        chain_id.as_i64(),
    )
    .fetch_one(db)
    .await?;
    Ok(lowest.map(i64::cast_unsigned))
}

/// How often these blocks were canonical before they left the window, where that is not once and standing.
pub(crate) async fn list_old_generations(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    hashes: &[BlockHash],
) -> Result<Vec<(BlockHash, u32)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select hash as "hash: BlockHash", generation from old_generations
         where chain_id = $1 and hash = any($2::bytea[])"#,
        chain_id.as_i64(),
        hashes as _,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.hash, row.generation.cast_unsigned())).collect())
}

/// Remembers how often blocks below the window were told that are taken back now.
pub(crate) async fn insert_old_generations(
    tx: &mut PgConnection,
    chain_id: ChainId,
    blocks: &[(BlockHash, u32)],
) -> Result<(), sqlx::Error> {
    let (hashes, generations): (Vec<BlockHash>, Vec<i32>) =
        blocks.iter().map(|(hash, generation)| (*hash, generation.cast_signed())).unzip();
    sqlx::query!(
        "insert into old_generations (chain_id, hash, generation)
         select $1, hash, generation from unnest($2::bytea[], $3::int[]) as new (hash, generation)
         on conflict on constraint old_generations_pkey do update
             set generation = greatest(old_generations.generation, excluded.generation)",
        chain_id.as_i64(),
        hashes as _,
        &generations,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds to the logs of blocks that are stored. What their documents say of themselves is written anew where the block
/// has been canonical more than once: the new documents say that it is the first time.
pub(crate) async fn update_raw_logs(
    tx: &mut PgConnection,
    chain_id: ChainId,
    logs: &[(BlockHash, i32)],
) -> Result<(), sqlx::Error> {
    let (hashes, indexes): (Vec<BlockHash>, Vec<i32>) = logs.iter().copied().unzip();
    sqlx::query!(
        "with logs as (
             select hash, array_agg(log_index) as indexes
             from unnest($2::bytea[], $3::int[]) as log (hash, log_index) group by hash
         )
         update blocks
         set raw_logs = (select array_agg(distinct log_index order by log_index)
                         from unnest(blocks.raw_logs || logs.indexes) as log_index),
             raw_generation = case when generation > 1 then 0 else raw_generation end
         from logs where blocks.chain_id = $1 and blocks.hash = logs.hash",
        chain_id.as_i64(),
        hashes as _,
        &indexes,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes back the canonical blocks of these heights; they stay remembered.
pub(crate) async fn update_rewound(
    tx: &mut PgConnection,
    chain_id: ChainId,
    from: u64,
    to: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update blocks set is_canonical = false where chain_id = $1 and number between $2 and $3 and is_canonical",
        chain_id.as_i64(),
        from.cast_signed(),
        to.cast_signed(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets the collections that were made at these heights.
pub(crate) async fn delete_followed_above(
    tx: &mut PgConnection,
    chain_id: ChainId,
    from: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from followed_contracts where chain_id = $1 and source = 'factory' and from_block >= $2",
        chain_id.as_i64(),
        from.cast_signed(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Stops a chain for a rewind, also one that is stopped already.
pub(crate) async fn update_rewinding(
    tx: &mut PgConnection,
    chain_id: ChainId,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update indexer_checkpoints set halted_at = coalesce(halted_at, now()), halted_reason = $2, updated_at = now()
         where chain_id = $1",
        chain_id.as_i64(),
        reason,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets a chain go on from a block further down, which the caller has seen to be canonical.
pub(crate) async fn update_rewound_to(
    tx: &mut PgConnection,
    chain_id: ChainId,
    to: BlockRef,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update indexer_checkpoints
         set last_block = $2, last_block_hash = $3, last_block_at = $4, halted_at = null, halted_reason = null,
             followed_version = followed_version + 1, updated_at = now()
         where chain_id = $1",
        chain_id.as_i64(),
        to.number.cast_signed(),
        to.hash.as_slice(),
        to.time,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends a lease from inside: whoever takes it next, this process or another, begins at what is committed here.
pub(crate) async fn end_lease(tx: &mut PgConnection, chain_id: ChainId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update leases set epoch = epoch + 1, expires_at = now() - interval '1 second' where chain_id = $1",
        chain_id.as_i64(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Remembers canonical blocks that had left the window. They can be taken back as far as nothing was told of them: what
/// was told is not kept.
pub(crate) async fn insert_again(
    tx: &mut PgConnection,
    chain_id: ChainId,
    headers: &[Header],
    raw_logs: &[(BlockHash, i32)],
) -> Result<(), sqlx::Error> {
    let hashes: Vec<BlockHash> = headers.iter().map(|header| header.hash).collect();
    let numbers: Vec<i64> = headers.iter().map(|header| header.number.cast_signed()).collect();
    let parents: Vec<BlockHash> = headers.iter().map(|header| header.parent_hash).collect();
    let times: Vec<DateTime<Utc>> = headers.iter().map(|header| header.time).collect();
    let (of_blocks, indexes): (Vec<BlockHash>, Vec<i32>) = raw_logs.iter().copied().unzip();
    sqlx::query!(
        "with logs as (
             select hash, array_agg(log_index order by log_index) as indexes
             from unnest($6::bytea[], $7::int[]) as log (hash, log_index) group by hash
         )
         insert into blocks
             (chain_id, hash, number, parent_hash, block_at, is_canonical, generation,
              raw_logs, raw_canonical, raw_generation, is_retractable)
         select $1, new.hash, new.number, new.parent_hash, new.block_at, true, coalesce(old.generation, 1),
                coalesce(logs.indexes, '{}'), true, coalesce(old.generation, 1), logs.indexes is null
         from unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::timestamptz[])
              as new (hash, number, parent_hash, block_at)
         left join logs using (hash)
         left join old_generations old on old.chain_id = $1 and old.hash = new.hash
         on conflict on constraint blocks_pkey do nothing",
        chain_id.as_i64(),
        hashes as _,
        &numbers,
        parents as _,
        &times,
        of_blocks as _,
        &indexes,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Follows the contracts of the registry no more that it does not name any longer, and fetches nothing more of them: one
/// that is named again begins anew. Returns them.
pub(crate) async fn delete_unnamed(
    tx: &mut PgConnection,
    chain_id: ChainId,
    named: &[Address],
) -> Result<Vec<Address>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with gone as (
             delete from followed_contracts
             where chain_id = $1 and source = 'registry' and not address = any($2::bytea[])
             returning address
         ), cancelled as (
             update jobs
             set state = 'CANCELLED', error = 'the registry does not name the contract any more', ended_at = now(),
                 updated_at = now()
             where chain_id = $1 and state in ('QUEUED', 'RUNNING') and contract in (select address from gone)
         )
         select address as "address!: Address" from gone"#,
        chain_id.as_i64(),
        named as _,
    )
    .fetch_all(tx)
    .await
}

/// How far a chain is read, held so for the rest of the transaction: a commit of the follower waits.
pub(crate) async fn lock_checkpoint(
    tx: &mut PgConnection,
    chain_id: ChainId,
) -> Result<Option<(u64, u64)>, sqlx::Error> {
    let row = sqlx::query!(
        "select last_block, first_block from indexer_checkpoints where chain_id = $1 for update",
        chain_id.as_i64(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| (row.last_block.cast_unsigned(), row.first_block.unwrap_or_default().cast_unsigned())))
}

/// Everything that the transaction reads is as of its first question.
pub(crate) async fn use_one_snapshot(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("set transaction isolation level repeatable read read only").execute(tx).await?;
    Ok(())
}
