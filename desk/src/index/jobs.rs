//! Work over ranges of blocks: begun, watched to its end, listed and cancelled.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use proto::indexer::v1::{
    CancelJobRequest, GetJobRequest, Job, JobKind, JobState, ListJobsRequest, StartJobRequest,
    WatchJobRequest,
};

use super::{Desk, show};
use crate::operator::answer;

/// Between two lines about the same piece of work.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// A watch that breaks is begun again so often without a word in between.
const MOST_BREAKS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// Which blocks.
#[derive(clap::Args)]
pub(super) struct Range {
    /// The first block; where the chain begins to be read, if it is left out.
    #[arg(long)]
    from: Option<u64>,
    /// The last block; the newest that is read, if it is left out.
    #[arg(long)]
    to: Option<u64>,
}

/// Whether to see it through.
#[derive(clap::Args)]
pub(super) struct Wait {
    /// Begins the work, tells its number, and does not wait for its end.
    #[arg(long)]
    detach: bool,
}

impl Wait {
    pub(super) fn waits(&self) -> bool {
        !self.detach
    }
}

#[derive(clap::Args)]
pub(super) struct Rewind {
    /// The lowest block that is taken back; everything above it is, too.
    #[arg(long)]
    from: u64,
    /// Says what would be taken back and whether it can be, and changes nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Does it without asking. Try it with --dry-run first.
    #[arg(long, required_unless_present = "dry_run")]
    yes: bool,
}

impl Desk {
    /// A piece of work over a range.
    pub(super) async fn ask(&mut self, kind: JobKind, range: &Range) -> anyhow::Result<StartJobRequest> {
        let at = self.checkpoint().await?;
        let indexed = at.indexed.map_or(0, |block| block.number);
        Ok(StartJobRequest {
            chain_id: at.chain_id,
            kind: kind.into(),
            from_block: range.from.unwrap_or(at.first_block.max(1)),
            to_block: range.to.unwrap_or(indexed),
            ..Default::default()
        })
    }

    pub(super) async fn rewind(&mut self, rewind: &Rewind) -> anyhow::Result<()> {
        let chain_id = self.checkpoint().await?.chain_id;
        let ask = StartJobRequest {
            chain_id,
            kind: JobKind::Rewind.into(),
            from_block: rewind.from,
            dry_run: rewind.dry_run,
            ..Default::default()
        };
        self.work(ask, true).await
    }

    /// Begins it, and sees it through unless it is let go.
    pub(super) async fn work(&mut self, ask: StartJobRequest, waits: bool) -> anyhow::Result<()> {
        let job = answer(self.indexer.start_job(ask).await)?.job.context("the indexer began nothing")?;
        if waits {
            return self.watch_job(job.job_id).await;
        }
        println!("{}", show::job_line(&job));
        Ok(())
    }

    /// Tells of it until it has ended; an error where it ended otherwise than well.
    pub(crate) async fn watch_job(&mut self, job_id: i64) -> anyhow::Result<()> {
        let (mut breaks, mut line_at) = (0, None::<Instant>);
        loop {
            let mut told = answer(self.indexer.watch_job(WatchJobRequest { job_id }).await);
            if let Ok(stream) = &mut told {
                while let Ok(Some(now)) = stream.message().await {
                    breaks = 0;
                    let Some(job) = now.job else { continue };
                    if has_ended(&job) {
                        return end(&job);
                    }
                    if line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
                        println!("{}", show::job_line(&job));
                        line_at = Some(Instant::now());
                    }
                }
            }
            // The work goes on whoever watches; a process that was replaced is asked again.
            breaks += 1;
            if breaks > MOST_BREAKS {
                bail!("job {job_id} cannot be watched any more: `cargo xtask index job {job_id}` shows it");
            }
            match told {
                Err(err) if line_at.is_none() => return Err(err),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// How it is; whatever that is, the question is answered.
    pub(super) async fn job(&mut self, job_id: i64) -> anyhow::Result<()> {
        let job = answer(self.indexer.get_job(GetJobRequest { job_id }).await)?.job.unwrap_or_default();
        print!("{}", show::job(&job));
        Ok(())
    }

    /// The newest pieces of work.
    pub(super) async fn list(&mut self, count: i32) -> anyhow::Result<Vec<Job>> {
        let chain_id = self.chain.clone().unwrap_or_default();
        let asked = ListJobsRequest { chain_id, page_size: count, page_token: String::new() };
        Ok(answer(self.indexer.list_jobs(asked).await)?.jobs)
    }

    pub(super) async fn jobs(&mut self, count: i32) -> anyhow::Result<()> {
        let jobs = self.list(count).await?;
        print!("{}", show::jobs(&jobs));
        Ok(())
    }

    pub(super) async fn cancel(&mut self, job_id: i64) -> anyhow::Result<()> {
        let job = answer(self.indexer.cancel_job(CancelJobRequest { job_id }).await)?.job.unwrap_or_default();
        print!("{}", show::job(&job));
        Ok(())
    }
}

fn has_ended(job: &Job) -> bool {
    matches!(job.state(), JobState::Done | JobState::Failed | JobState::Cancelled)
}

/// What is told at the end, and what the shell hears of it: the first says why, so that the second need not.
fn end(job: &Job) -> anyhow::Result<()> {
    print!("{}", show::job(job));
    match job.state() {
        JobState::Failed => bail!("job {} failed", job.job_id),
        JobState::Cancelled => bail!("job {} was cancelled", job.job_id),
        _ if job.kind() == JobKind::Verify && !is_clean(&job.found_json) => {
            bail!("job {}: what is stored and the chain differ", job.job_id)
        }
        _ => Ok(()),
    }
}

/// Whether a verification found no difference: differences are all that it counts.
fn is_clean(found: &str) -> bool {
    let found: serde_json::Value = serde_json::from_str(found).unwrap_or_default();
    let counts = found["counts"].as_object();
    counts.is_none_or(|counts| counts.values().all(|count| count.as_u64() == Some(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: JobKind, state: JobState, found: &str) -> Job {
        let (kind, state) = (kind.into(), state.into());
        Job {
            job_id: 7,
            kind,
            state,
            found_json: found.to_owned(),
            error: "why".to_owned(),
            ..Job::default()
        }
    }

    #[test]
    fn the_shell_hears_of_work_that_did_not_end_well() {
        assert!(end(&job(JobKind::Replay, JobState::Done, "{\"counts\":{\"minted\":3}}")).is_ok());
        let failed = end(&job(JobKind::Replay, JobState::Failed, "{}")).unwrap_err();
        assert_eq!(failed.to_string(), "job 7 failed", "why is said once, by what is printed");
        assert!(show::job(&job(JobKind::Replay, JobState::Failed, "{}")).contains("error: why"));
        assert!(end(&job(JobKind::Backfill, JobState::Cancelled, "{}")).is_err());
        assert!(end(&job(JobKind::Verify, JobState::Done, "{\"counts\":{\"missing document\":2}}")).is_err());
        assert!(end(&job(JobKind::Verify, JobState::Done, "{\"counts\":{}}")).is_ok());
        assert!(!has_ended(&job(JobKind::Verify, JobState::Running, "{}")));
    }
}
