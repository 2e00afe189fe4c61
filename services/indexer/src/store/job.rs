//! Pieces of work over a range of blocks: what is open, how far each is, and how it ended.

use chrono::{DateTime, Utc};
use ids::{Address, ChainId};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};

use crate::error::Error;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Backfill,
    Replay,
    Rewind,
    Verify,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Kind::Backfill => "BACKFILL",
            Kind::Replay => "REPLAY",
            Kind::Rewind => "REWIND",
            Kind::Verify => "VERIFY",
        }
    }

    fn parse(text: &str) -> Option<Kind> {
        [Kind::Backfill, Kind::Replay, Kind::Rewind, Kind::Verify].into_iter().find(|it| it.as_str() == text)
    }
}

/// How far a piece of work is as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            State::Queued => "QUEUED",
            State::Running => "RUNNING",
            State::Done => "DONE",
            State::Failed => "FAILED",
            State::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing more will come of it.
    pub(crate) const fn has_ended(self) -> bool {
        matches!(self, State::Done | State::Failed | State::Cancelled)
    }

    fn parse(text: &str) -> Option<State> {
        [State::Queued, State::Running, State::Done, State::Failed, State::Cancelled]
            .into_iter()
            .find(|it| it.as_str() == text)
    }
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) chain_id: ChainId,
    pub(crate) kind: Kind,
    /// Of a backfill.
    pub(crate) contract: Option<Address>,
    pub(crate) from_block: u64,
    pub(crate) to_block: u64,
    /// The next block to look at; a rewind comes down from `to_block`.
    pub(crate) next_block: u64,
    pub(crate) is_dry_run: bool,
    pub(crate) state: State,
    pub(crate) asked_by: String,
    pub(crate) blocks: u64,
    pub(crate) events: u64,
    pub(crate) found: Value,
    pub(crate) error: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

struct JobRow {
    id: i64,
    chain_id: i64,
    kind: String,
    contract: Option<Address>,
    from_block: i64,
    to_block: i64,
    next_block: i64,
    is_dry_run: bool,
    state: String,
    asked_by: String,
    blocks: i64,
    events: i64,
    found: Value,
    error: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Job, Error> {
        let unsigned = |number: i64| number.max(0).cast_unsigned();
        Ok(Job {
            id: row.id,
            chain_id: row.chain_id.try_into().map_err(|err: ids::Invalid| Error::Stored(err.to_string()))?,
            kind: Kind::parse(&row.kind).ok_or_else(|| Error::Stored(row.kind.clone()))?,
            contract: row.contract,
            from_block: unsigned(row.from_block),
            to_block: unsigned(row.to_block),
            next_block: unsigned(row.next_block),
            is_dry_run: row.is_dry_run,
            state: State::parse(&row.state).ok_or_else(|| Error::Stored(row.state.clone()))?,
            asked_by: row.asked_by,
            blocks: unsigned(row.blocks),
            events: unsigned(row.events),
            found: row.found,
            error: row.error,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

/// The pieces of work that a condition chooses.
macro_rules! jobs {
    ($chosen:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            JobRow,
            r#"select id, chain_id, kind, contract as "contract: Address", from_block, to_block, next_block, is_dry_run,
                    state, asked_by, blocks, events, found, error, created_at, started_at, ended_at
             from jobs "# + $chosen,
            $($argument),+
        )
    };
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) chain_id: ChainId,
    pub(crate) kind: Kind,
    pub(crate) contract: Option<Address>,
    pub(crate) from_block: u64,
    pub(crate) to_block: u64,
    pub(crate) is_dry_run: bool,
    pub(crate) asked_by: String,
}

/// Notes a piece of work that is to be done. A rewind begins at its upper end.
pub(crate) async fn insert_job(tx: &mut PgConnection, asked: &Asked) -> Result<i64, sqlx::Error> {
    let next = if asked.kind == Kind::Rewind { asked.to_block } else { asked.from_block };
    sqlx::query_scalar!(
        "insert into jobs (chain_id, kind, contract, from_block, to_block, next_block, is_dry_run, asked_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning id",
        asked.chain_id.as_i64(),
        asked.kind.as_str(),
        asked.contract.as_ref().map(|contract| contract.as_slice()),
        asked.from_block.cast_signed(),
        asked.to_block.cast_signed(),
        next.cast_signed(),
        asked.is_dry_run,
        asked.asked_by,
    )
    .fetch_one(tx)
    .await
}

/// How many pieces of work of a chain have not ended, and how many of them are rewinds that change something.
pub(crate) async fn count_open(tx: &mut PgConnection, chain_id: ChainId) -> Result<(i64, i64), sqlx::Error> {
    let row = sqlx::query!(
        r#"select count(*) as "all!", count(*) filter (where kind = 'REWIND' and not is_dry_run) as "rewinds!"
         from jobs where chain_id = $1 and state in ('QUEUED', 'RUNNING')"#,
        chain_id.as_i64(),
    )
    .fetch_one(tx)
    .await?;
    Ok((row.all, row.rewinds))
}

/// One of them.
pub(crate) async fn find_job(db: impl PgExecutor<'_>, id: i64) -> Result<Option<Job>, Error> {
    let row = jobs!("where id = $1", id,).fetch_optional(db).await?;
    row.map(Job::try_from).transpose()
}

/// Of one chain or of all, newest first, from below `before` on.
pub(crate) async fn list_jobs(
    db: impl PgExecutor<'_>,
    chain_id: Option<ChainId>,
    before: i64,
    limit: i64,
) -> Result<Vec<Job>, Error> {
    let rows = jobs!(
        "where ($1::bigint is null or chain_id = $1) and id < $2 order by id desc limit $3",
        chain_id.map(ChainId::as_i64),
        before,
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Job::try_from).collect()
}

/// Those of one chain or of all that have not ended, the oldest first.
pub(crate) async fn list_open(
    db: impl PgExecutor<'_>,
    chain_id: Option<ChainId>,
    limit: i64,
) -> Result<Vec<Job>, Error> {
    let rows = jobs!(
        "where state in ('QUEUED', 'RUNNING') and ($1::bigint is null or chain_id = $1)
         order by chain_id, id limit $2",
        chain_id.map(ChainId::as_i64),
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Job::try_from).collect()
}

/// What is to be done next on a chain: a rewind before everything else, then what consumers miss, then the oldest. A
/// chain that is halted is only rewound or looked at.
pub(crate) async fn find_next(db: impl PgExecutor<'_>, chain_id: ChainId) -> Result<Option<Job>, Error> {
    let row = jobs!(
        "where chain_id = $1 and state in ('QUEUED', 'RUNNING')
           and (kind in ('REWIND', 'VERIFY')
                or not exists (select 1 from indexer_checkpoints c where c.chain_id = $1 and halted_at is not null))
         order by (kind = 'REWIND') desc, (kind = 'BACKFILL') desc, id limit 1",
        chain_id.as_i64(),
    )
    .fetch_optional(db)
    .await?;
    row.map(Job::try_from).transpose()
}

/// How far a step has come.
#[derive(Debug)]
pub(crate) struct Advanced<'a> {
    pub(crate) next_block: u64,
    /// Of a backfill it grows with what is found.
    pub(crate) to_block: u64,
    /// In this step.
    pub(crate) blocks: usize,
    /// In this step.
    pub(crate) events: usize,
    /// In all.
    pub(crate) found: &'a Value,
    pub(crate) is_done: bool,
}

/// Moves a piece of work on, in the transaction of what the step did. False where it is not where the step found it, or
/// has been ended: then the step must not be committed.
pub(crate) async fn advance(
    tx: &mut PgConnection,
    was: &Job,
    now: &Advanced<'_>,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query!(
        "update jobs
         set next_block = $3, to_block = $4, blocks = blocks + $5, events = events + $6, found = $7, error = null,
             state = case when $8 then 'DONE' else 'RUNNING' end, ended_at = case when $8 then now() end,
             started_at = coalesce(started_at, now()), updated_at = now()
         where id = $1 and next_block = $2 and state in ('QUEUED', 'RUNNING')",
        was.id,
        was.next_block.cast_signed(),
        now.next_block.cast_signed(),
        now.to_block.cast_signed(),
        i64::try_from(now.blocks).unwrap_or(i64::MAX),
        i64::try_from(now.events).unwrap_or(i64::MAX),
        now.found,
        now.is_done,
    )
    .execute(tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Ends a piece of work that cannot succeed.
pub(crate) async fn fail(tx: &mut PgConnection, id: i64, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update jobs set state = 'FAILED', error = $2, started_at = coalesce(started_at, now()), ended_at = now(),
                updated_at = now()
         where id = $1 and state in ('QUEUED', 'RUNNING')",
        id,
        why,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes why the last attempt at a step failed; the next success clears it.
pub(crate) async fn update_error(db: impl PgExecutor<'_>, id: i64, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update jobs set error = $2, updated_at = now()
         where id = $1 and state in ('QUEUED', 'RUNNING') and error is distinct from $2",
        id,
        why,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends a piece of work before it is done; false where it has ended, or is a rewind that has begun to take back.
pub(crate) async fn cancel(tx: &mut PgConnection, id: i64) -> Result<bool, sqlx::Error> {
    let cancelled = sqlx::query!(
        "update jobs set state = 'CANCELLED', ended_at = now(), updated_at = now()
         where id = $1 and (state = 'QUEUED' or (state = 'RUNNING' and (kind <> 'REWIND' or is_dry_run)))",
        id,
    )
    .execute(tx)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}
