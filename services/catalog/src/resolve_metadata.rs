//! Asks media for the metadata of tokens and collections, a bounded number at a time, and stores what it finds.
//!
//! Nothing waits for this: a media service that is down, or a host that does not answer, only lets jobs fall due later.

use std::{sync::Arc, time::Duration};

use ids::{AccountId, ChainId};
use proto::media::v1::{
    ResolveMetadataRequest, ResolveMetadataResponse, media_service_client::MediaServiceClient,
};
use serde_json::Value;
use sqlx::PgPool;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::{
    error::Error,
    model::{clean, without_nul},
    store::{
        self, collections,
        metadata::{self, Document, End, Job},
        tokens,
    },
    tell,
};

const LOOK_EVERY: Duration = Duration::from_millis(500);
const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than a resolution with its storing can take: no two workers have the same job.
const LEASE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// How long a job waits when media itself cannot be asked: that says nothing about the document.
const MEDIA_IS_DOWN: Duration = Duration::from_secs(15);
/// While media cannot be reached, one job in so much time tries whether it is back: thousands of them would each dial in
/// vain, and each be written down twice.
const AWAY_PAUSE: Duration = Duration::from_secs(2);
const MOST_ATTEMPTS: i32 = 12;

/// Resolves what is due until told to stop; what has begun is finished.
pub(crate) async fn resolve(
    db: PgPool,
    media: MediaServiceClient<rpc::Channel>,
    in_flight: usize,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(in_flight.max(1)));
    let mut running: JoinSet<Asked> = JoinSet::new();
    let mut is_away = false;
    while !stopping.is_cancelled() {
        while let Some(asked) = running.try_join_next() {
            // The last one to have asked knows best.
            is_away = matches!(asked, Ok(Asked::InVain));
        }
        if is_away && stopping.run_until_cancelled(tokio::time::sleep(AWAY_PAUSE)).await.is_none() {
            break;
        }
        let free = if is_away { 1 } else { i64::try_from(slots.available_permits()).unwrap_or(1) };
        let jobs = match metadata::claim(&db, free, LEASE).await {
            Ok(jobs) => jobs,
            Err(err) => {
                tracing::warn!(error = %err, "cannot claim metadata jobs");
                Vec::new()
            }
        };
        let is_idle = jobs.is_empty();
        for job in jobs {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return Ok(()) };
            let (db, media) = (db.clone(), media.clone());
            running.spawn(async move {
                let asked = resolve_one(&db, media, &job).await.unwrap_or_else(|err| {
                    // The lease runs out and the job falls due again.
                    tracing::warn!(metadata.id = %job.id, error = %err, "metadata was not stored");
                    Asked::Answered
                });
                drop(slot);
                asked
            });
        }
        if is_idle {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        } else if slots.available_permits() == 0 {
            // Until a slot is free, or time to stop.
            tokio::select! {
                () = stopping.cancelled() => {}
                _ = slots.acquire() => {}
            }
        }
    }
    while running.join_next().await.is_some() {}
    Ok(())
}

/// What became of a question to media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Answered,
    /// Nobody was there to answer.
    InVain,
}

async fn resolve_one(
    db: &PgPool,
    mut media: MediaServiceClient<rpc::Channel>,
    job: &Job,
) -> Result<Asked, Error> {
    let account = AccountId::new(ChainId::try_from(job.chain_id)?, job.contract);
    let mut request = Request::new(ResolveMetadataRequest {
        contract_account_id: account.to_lower(),
        token_id: job.token_number.clone().unwrap_or_default(),
        standard: job.standard.clone(),
    });
    request.set_timeout(DEADLINE);
    let answer = match tokio::time::timeout(DEADLINE, media.resolve_metadata(request)).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("media did not answer in time")),
    };
    match answer {
        Ok(found) if found.status == "READY" => store_found(db, job, found).await?,
        Ok(missing) => store_failure(db, job, &missing.error_code).await?,
        Err(status) => {
            let error_class = Some(unasked(&status));
            let end = End { state: "DUE", error_class, next_try_in: MEDIA_IS_DOWN, is_counted: false };
            metadata::finish(&mut *db.acquire().await?, job, &end).await?;
            if status.code() == tonic::Code::Unavailable {
                return Ok(Asked::InVain);
            }
        }
    }
    Ok(Asked::Answered)
}

/// Why media could not be asked, as a word for counting.
fn unasked(status: &Status) -> &'static str {
    match status.code() {
        tonic::Code::Unavailable => "MEDIA_UNAVAILABLE",
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => "MEDIA_TIMEOUT",
        _ => "MEDIA_REFUSED",
    }
}

async fn store_found(db: &PgPool, job: &Job, found: ResolveMetadataResponse) -> Result<(), Error> {
    let text = |text: String, longest| Some(clean(&text, longest)).filter(|text| !text.is_empty());
    let document = Document {
        name: text(found.name, 500),
        description: text(found.description, 10_000),
        image_url: text(found.image_uri, 4096),
        metadata_url: text(found.uri, 4096),
        json: serde_json::from_str::<Value>(&found.document_json).ok().map(without_nul),
    };
    let mut tx = db.begin().await?;
    collections::lock_all(&mut tx, &[job.collection_id]).await?;
    let message = if job.kind == "token" {
        let is_known = metadata::update_token(&mut tx, job.id, &document).await?;
        let token = tokens::list_by_ids(&mut *tx, &[job.id]).await?.pop().filter(|_| is_known);
        token.map(|token| tell::token_described(&token)).transpose()?
    } else {
        metadata::update_collection(&mut tx, job.id, &document).await?;
        let collection = collections::list_by_ids(&mut *tx, &[job.id]).await?.pop();
        let seen = collection.filter(|collection| collection.status == "LIVE");
        seen.map(|collection| tell::collection_described(&collection)).transpose()?
    };
    let end = End { state: "DONE", error_class: None, next_try_in: Duration::ZERO, is_counted: true };
    metadata::finish(&mut tx, job, &end).await?;
    bus::outbox::put_all(&mut tx, message.as_slice()).await?;
    tx.commit().await?;
    Ok(())
}

async fn store_failure(db: &PgPool, job: &Job, error_code: &str) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    collections::lock_all(&mut tx, &[job.collection_id]).await?;
    let mut message = None;
    if job.kind != "token" {
        metadata::fail_collection(&mut tx, job.id).await?;
    } else if metadata::fail_token(&mut tx, job.id).await? {
        let token = store::tokens::list_by_ids(&mut *tx, &[job.id]).await?.pop();
        message = token.map(|token| tell::token_described(&token)).transpose()?;
    }
    let state = if job.attempts >= MOST_ATTEMPTS { "GAVE_UP" } else { "DUE" };
    let error_class = Some(error_code).filter(|code| !code.is_empty()).or(Some("UNKNOWN"));
    metadata::finish(
        &mut tx,
        job,
        &End { state, error_class, next_try_in: pause(job.attempts), is_counted: true },
    )
    .await?;
    bus::outbox::put_all(&mut tx, message.as_slice()).await?;
    tx.commit().await?;
    Ok(())
}

/// How long a document that cannot be had is left alone: doubling from 10 seconds to six hours.
fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or(0).min(20);
    Duration::from_secs(10).saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_cannot_be_had_is_asked_for_ever_more_seldom() {
        assert_eq!(pause(1), Duration::from_secs(10));
        assert_eq!(pause(3), Duration::from_secs(40));
        assert_eq!(pause(1000), LONGEST_PAUSE);
        assert!((1..30).all(|n| pause(n) <= pause(n + 1)));
    }
}
