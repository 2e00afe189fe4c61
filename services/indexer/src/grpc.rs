//! The door for calls: each is answered in the file that is named for what it is about.

mod job;
mod probe;
mod raw;
mod status;

use std::pin::Pin;

use chains::Chains;
use proto::{common::v1 as common, indexer::v1 as pb};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};

use crate::{error::Error, model::BlockRef, progress::Progress, store::Stores};
use pb::indexer_service_server::{IndexerService, IndexerServiceServer};

/// What calls are answered with.
struct Door {
    stores: Stores,
    /// Every chain with its node, as this process knows them.
    chains: Chains,
    watchers: status::Watchers,
    stopping: CancellationToken,
}

/// What is served.
pub(crate) fn routes(
    stores: Stores,
    chains: Chains,
    progress: Progress,
    stopping: CancellationToken,
) -> Routes {
    let looks = status::Looks { stores: stores.clone(), chains: chains.clone(), progress };
    let watchers = status::Watchers::new(looks, stopping.clone());
    Routes::new(IndexerServiceServer::new(Door { stores, chains, watchers, stopping }))
}

/// What a call is answered with again and again.
type Answers<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl IndexerService for Door {
    type WatchCheckpointsStream = Answers<pb::WatchCheckpointsResponse>;
    type WatchJobStream = Answers<pb::WatchJobResponse>;

    async fn list_checkpoints(
        &self,
        request: Request<pb::ListCheckpointsRequest>,
    ) -> Result<Response<pb::ListCheckpointsResponse>, Status> {
        status::list_checkpoints(self, request.into_inner()).await
    }

    async fn watch_checkpoints(
        &self,
        request: Request<pb::WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        status::watch_checkpoints(self, request.into_inner())
    }

    async fn get_transaction_events(
        &self,
        request: Request<pb::GetTransactionEventsRequest>,
    ) -> Result<Response<pb::GetTransactionEventsResponse>, Status> {
        raw::get_transaction_events(self, request.into_inner()).await
    }

    async fn list_raw_events(
        &self,
        request: Request<pb::ListRawEventsRequest>,
    ) -> Result<Response<pb::ListRawEventsResponse>, Status> {
        raw::list_raw_events(self, request.into_inner()).await
    }

    async fn probe_contract(
        &self,
        request: Request<pb::ProbeContractRequest>,
    ) -> Result<Response<pb::ProbeContractResponse>, Status> {
        probe::probe_contract(self, request).await
    }

    async fn follow_payer(
        &self,
        request: Request<pb::FollowPayerRequest>,
    ) -> Result<Response<pb::FollowPayerResponse>, Status> {
        probe::follow_payer(self, request).await
    }

    async fn start_job(
        &self,
        request: Request<pb::StartJobRequest>,
    ) -> Result<Response<pb::StartJobResponse>, Status> {
        job::start_job(self, request).await
    }

    async fn get_job(
        &self,
        request: Request<pb::GetJobRequest>,
    ) -> Result<Response<pb::GetJobResponse>, Status> {
        job::get_job(self, request).await
    }

    async fn watch_job(
        &self,
        request: Request<pb::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        job::watch_job(self, request).await
    }

    async fn list_jobs(
        &self,
        request: Request<pb::ListJobsRequest>,
    ) -> Result<Response<pb::ListJobsResponse>, Status> {
        job::list_jobs(self, request).await
    }

    async fn cancel_job(
        &self,
        request: Request<pb::CancelJobRequest>,
    ) -> Result<Response<pb::CancelJobResponse>, Status> {
        job::cancel_job(self, request).await
    }
}

fn parse<T: std::str::FromStr<Err = ids::Invalid>>(field: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|why| Error::BadInput { field, why })
}

/// None where nothing is asked for.
fn parse_any<T: std::str::FromStr<Err = ids::Invalid>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, Error> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

fn timestamp(at: chrono::DateTime<chrono::Utc>) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default();
    prost_types::Timestamp { seconds: at.timestamp(), nanos }
}

impl From<BlockRef> for common::BlockRef {
    fn from(block: BlockRef) -> common::BlockRef {
        let time = Some(timestamp(block.time));
        common::BlockRef { number: block.number, hash: block.hash.to_string(), time }
    }
}
