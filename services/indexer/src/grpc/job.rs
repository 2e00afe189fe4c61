//! Calls about pieces of work.

use std::{collections::HashMap, time::Duration};

use ids::{Address, ChainId};
use proto::indexer::v1 as pb;
use rpc::{Code, Refusal};
use sqlx::{PgConnection, PgPool};
use tokio::{
    sync::Semaphore,
    time::{Instant, MissedTickBehavior, interval},
};
use tonic::{Request, Response, Status};

use super::{Answers, Door, parse, parse_any, timestamp};
use crate::{
    error::Error,
    jobs,
    model::{Contract, Role},
    store::{
        self,
        job::{Asked, Job, Kind, State},
    },
};

/// Pieces of work of one chain that have not ended, at most.
const MOST_OPEN: i64 = 32;
/// Blocks of one piece of work at most.
const LONGEST_RANGE: u64 = 10_000_000;
/// Open ones that a status shows, of all chains.
const MOST_SHOWN: i64 = 1_000;
/// Who may watch jobs at the same time.
const MOST_WATCHERS: usize = 64;
/// One for whom there is no place may come again after that.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const LARGEST_PAGE: i32 = 100;
/// Between two looks at a piece of work that is watched.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks in a row that may fail before a watcher is told.
const MOST_BLINKS: u32 = 40;
/// A watch that is longer than this is begun anew by who wants it.
const LONGEST_WATCH: Duration = Duration::from_secs(3600);

/// Places for those who watch jobs.
static WATCHERS: Semaphore = Semaphore::const_new(MOST_WATCHERS);

pub(super) async fn start_job(
    door: &Door,
    request: Request<pb::StartJobRequest>,
) -> Result<Response<pb::StartJobResponse>, Status> {
    let asked_by = rpc::caller::peer(&request).map_or_else(String::new, |peer| peer.name().to_owned());
    let asked = request.into_inner();
    let kind = kind_of(asked.kind())?;
    let chain_id: ChainId = parse("chain_id", &asked.chain_id)?;
    let contract: Option<Address> = parse_any("contract", &asked.contract)?;
    if contract.is_some() != (kind == Kind::Backfill) {
        return Err(
            Error::field("contract", "INVALID", "a backfill, and nothing else, is of a contract").into()
        );
    }
    if asked.dry_run && !matches!(kind, Kind::Replay | Kind::Rewind) {
        return Err(Error::field("dry_run", "INVALID", "only a replay and a rewind can be tried").into());
    }
    let asked = Asked {
        chain_id,
        kind,
        contract,
        from_block: asked.from_block,
        to_block: asked.to_block,
        is_dry_run: asked.dry_run,
        asked_by,
    };
    let mut tx = door.stores.db.begin().await.map_err(Error::from)?;
    let id = insert(&mut tx, asked).await?;
    let job = store::job::find_job(&mut *tx, id).await?;
    tx.commit().await.map_err(Error::from)?;
    jobs::wake();
    if let Some(job) = &job {
        tracing::info!(
            chain.id = %job.chain_id, job.id = id, kind = job.kind.as_str(), from_block = job.from_block,
            to_block = job.to_block, asked_by = job.asked_by, dry_run = job.is_dry_run,
            "a piece of work was asked for",
        );
    }
    Ok(Response::new(pb::StartJobResponse { job: job.map(pb::Job::from) }))
}

/// The checkpoint stays as it is until the commit, so that what is allowed now is allowed then.
async fn insert(tx: &mut PgConnection, mut asked: Asked) -> Result<i64, Error> {
    let Some((indexed, first)) = store::late::lock_checkpoint(tx, asked.chain_id).await? else {
        return Err(Refusal::new(Code::NotFound, "CHAIN_NOT_FOUND", "the chain is not read").into());
    };
    if asked.kind == Kind::Rewind {
        asked.to_block = indexed;
    }
    let contract = match asked.contract {
        Some(contract) => Some(find_followed(tx, asked.chain_id, contract).await?),
        None => None,
    };
    // A contract may be older than what was read of its chain.
    let first = match contract.map(|contract| (contract.role, contract.from_block)) {
        Some((Role::Factory | Role::Collection(_), begins)) => begins.min(first).max(1),
        Some((Role::Exchange | Role::Currency, _)) | None => first.max(1),
    };
    if asked.from_block < first {
        let message = format!("there is something to read from block {first} on");
        return Err(Error::field("from_block", "TOO_LOW", message));
    }
    if asked.to_block > indexed || asked.from_block > indexed {
        let (path, message) = ("to_block", format!("the chain is read up to block {indexed}"));
        let path = if asked.from_block > indexed { "from_block" } else { path };
        return Err(Error::field(path, "TOO_HIGH", message));
    }
    if asked.from_block > asked.to_block {
        return Err(Error::field("to_block", "INVALID", "the range ends before it begins"));
    }
    if asked.to_block - asked.from_block >= LONGEST_RANGE {
        return Err(Error::field(
            "to_block",
            "TOO_LONG",
            format!("a range has {LONGEST_RANGE} blocks at most"),
        ));
    }
    let (open, rewinds) = store::job::count_open(tx, asked.chain_id).await?;
    if asked.kind == Kind::Rewind && !asked.is_dry_run && rewinds > 0 {
        return Err(Refusal::new(Code::Conflict, "REWIND_OPEN", "the chain is being rewound already").into());
    }
    // A chain that waits for its rewind may have any number of backfills before it.
    if open >= MOST_OPEN && asked.kind != Kind::Rewind {
        let message = format!("the chain has {open} open jobs; wait for one or cancel it");
        return Err(Refusal::new(Code::Conflict, "TOO_MANY_JOBS", message).into());
    }
    if let Some(contract) = asked.contract {
        let id = store::job::insert_job(tx, &asked).await?;
        store::late::insert_missed(tx, id, asked.chain_id, &[contract], asked.to_block).await?;
        return Ok(id);
    }
    Ok(store::job::insert_job(tx, &asked).await?)
}

/// Whose logs a backfill may fetch.
async fn find_followed(
    tx: &mut PgConnection,
    chain_id: ChainId,
    address: Address,
) -> Result<Contract, Error> {
    let followed = store::contract::list_followed(tx, chain_id).await?;
    match followed.into_iter().find(|known| known.address == address) {
        None => Err(Error::field("contract", "NOT_FOLLOWED", "the contract is not followed")),
        // Whose money counted at a block of the past is not known.
        Some(Contract { role: Role::Currency, .. }) => {
            let message = "a currency is followed from the moment on that somebody pays with it: it has no past to fetch";
            Err(Error::field("contract", "CURRENCY", message))
        }
        Some(contract) => Ok(contract),
    }
}

fn kind_of(kind: pb::JobKind) -> Result<Kind, Error> {
    match kind {
        pb::JobKind::Backfill => Ok(Kind::Backfill),
        pb::JobKind::Replay => Ok(Kind::Replay),
        pb::JobKind::Rewind => Ok(Kind::Rewind),
        pb::JobKind::Verify => Ok(Kind::Verify),
        pb::JobKind::Unspecified => Err(Error::field("kind", "INVALID", "must be one of the kinds")),
    }
}

fn not_found() -> Error {
    Refusal::new(Code::NotFound, "JOB_NOT_FOUND", "there is no such job").into()
}

pub(super) async fn get_job(
    door: &Door,
    request: Request<pb::GetJobRequest>,
) -> Result<Response<pb::GetJobResponse>, Status> {
    let job = store::job::find_job(&door.stores.db, request.into_inner().job_id).await?;
    let job = job.ok_or_else(not_found)?;
    Ok(Response::new(pb::GetJobResponse { job: Some(job.into()) }))
}

pub(super) async fn watch_job(
    door: &Door,
    request: Request<pb::WatchJobRequest>,
) -> Result<Response<Answers<pb::WatchJobResponse>>, Status> {
    let (db, stopped, id) = (door.stores.db.clone(), door.stopping.clone(), request.into_inner().job_id);
    store::job::find_job(&db, id).await?.ok_or_else(not_found)?;
    let place = WATCHERS.try_acquire().map_err(|_| {
        let refusal = Refusal::new(Code::RateLimited, "RATE_LIMITED", "too many watch already");
        Status::from(refusal.retry_after(AGAIN_AFTER))
    })?;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    // Also while a watcher does not take what it is told, the end of the process is not waited for.
    let watching = async move {
        let _place = place;
        let (mut told, mut blinks, until) = (None::<Job>, 0, Instant::now() + LONGEST_WATCH);
        while Instant::now() < until {
            tokio::select! {
                _ = looks.tick() => {}
                () = sender.closed() => return,
            }
            let job = match store::job::find_job(&db, id).await {
                Ok(Some(job)) => job,
                Ok(None) => return,
                Err(_) if blinks < MOST_BLINKS => {
                    blinks += 1;
                    continue;
                }
                Err(err) => {
                    let _ = sender.send(Err(err.into())).await;
                    return;
                }
            };
            blinks = 0;
            if told.as_ref() == Some(&job) {
                continue;
            }
            let has_ended = job.state.has_ended();
            let answer = pb::WatchJobResponse { job: Some(job.clone().into()) };
            if sender.send(Ok(answer)).await.is_err() || has_ended {
                return;
            }
            told = Some(job);
        }
    };
    tokio::spawn(async move { stopped.run_until_cancelled(watching).await });
    let answers = futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|answer| (answer, receiver))
    });
    Ok(Response::new(Box::pin(answers)))
}

pub(super) async fn list_jobs(
    door: &Door,
    request: Request<pb::ListJobsRequest>,
) -> Result<Response<pb::ListJobsResponse>, Status> {
    let asked = request.into_inner();
    let chain_id: Option<ChainId> = parse_any("chain_id", &asked.chain_id)?;
    if !(1..=LARGEST_PAGE).contains(&asked.page_size) {
        let message = format!("must be between 1 and {LARGEST_PAGE}");
        return Err(Error::field("page_size", "INVALID", message).into());
    }
    let before = match asked.page_token.as_str() {
        "" => i64::MAX,
        token => token
            .parse()
            .map_err(|_| Error::field("page_token", "INVALID", "is not one that this list gave"))?,
    };
    let mut jobs =
        store::job::list_jobs(&door.stores.db, chain_id, before, i64::from(asked.page_size) + 1).await?;
    let is_more = jobs.len() > usize::try_from(asked.page_size).unwrap_or_default();
    jobs.truncate(usize::try_from(asked.page_size).unwrap_or_default());
    let next_page_token = jobs.last().filter(|_| is_more).map(|last| last.id.to_string()).unwrap_or_default();
    Ok(Response::new(pb::ListJobsResponse {
        jobs: jobs.into_iter().map(pb::Job::from).collect(),
        next_page_token,
    }))
}

/// Those that have not ended, by chain.
pub(super) async fn open_jobs(
    db: &PgPool,
    chain_id: Option<ChainId>,
) -> Result<HashMap<ChainId, Vec<pb::Job>>, Error> {
    let mut open: HashMap<ChainId, Vec<pb::Job>> = HashMap::new();
    for job in store::job::list_open(db, chain_id, MOST_SHOWN).await? {
        open.entry(job.chain_id).or_default().push(job.into());
    }
    Ok(open)
}

pub(super) async fn cancel_job(
    door: &Door,
    request: Request<pb::CancelJobRequest>,
) -> Result<Response<pb::CancelJobResponse>, Status> {
    let asked_by = rpc::caller::peer(&request).map_or_else(String::new, |peer| peer.name().to_owned());
    let id = request.into_inner().job_id;
    let mut tx = door.stores.db.begin().await.map_err(Error::from)?;
    let is_cancelled = store::job::cancel(&mut tx, id).await.map_err(Error::from)?;
    let job = store::job::find_job(&mut *tx, id).await?.ok_or_else(not_found)?;
    tx.commit().await.map_err(Error::from)?;
    if !is_cancelled {
        let message = match job.state {
            State::Running | State::Queued => "a rewind that has begun cannot be ended",
            State::Done | State::Failed | State::Cancelled => "the job has ended",
        };
        return Err(Refusal::new(Code::Conflict, "JOB_NOT_CANCELLABLE", message).into());
    }
    tracing::info!(chain.id = %job.chain_id, job.id = id, asked_by, "a piece of work was cancelled");
    Ok(Response::new(pb::CancelJobResponse { job: Some(job.into()) }))
}

impl From<Job> for pb::Job {
    fn from(job: Job) -> pb::Job {
        let kind = match job.kind {
            Kind::Backfill => pb::JobKind::Backfill,
            Kind::Replay => pb::JobKind::Replay,
            Kind::Rewind => pb::JobKind::Rewind,
            Kind::Verify => pb::JobKind::Verify,
        };
        let state = match job.state {
            State::Queued => pb::JobState::Queued,
            State::Running => pb::JobState::Running,
            State::Done => pb::JobState::Done,
            State::Failed => pb::JobState::Failed,
            State::Cancelled => pb::JobState::Cancelled,
        };
        pb::Job {
            job_id: job.id,
            chain_id: job.chain_id.to_string(),
            kind: kind.into(),
            contract: job.contract.as_ref().map(Address::to_lower).unwrap_or_default(),
            from_block: job.from_block,
            to_block: job.to_block,
            next_block: job.next_block,
            dry_run: job.is_dry_run,
            state: state.into(),
            asked_by: job.asked_by,
            blocks: job.blocks,
            events: job.events,
            found_json: job.found.to_string(),
            error: job.error.unwrap_or_default(),
            create_time: Some(timestamp(job.created_at)),
            start_time: job.started_at.map(timestamp),
            end_time: job.ended_at.map(timestamp),
        }
    }
}
