//! Two services with one interesting call each, served by the real [`rpc::serve`], and clients for them.
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use futures::future::BoxFuture;
use proto::{
    chainregistry::v1::{
        GetChainRequest, GetChainResponse, ListChainsRequest, ListChainsResponse, ListEndpointsRequest,
        ListEndpointsResponse, UpsertChainRequest, UpsertChainResponse, UpsertContractRequest,
        UpsertContractResponse,
        chain_registry_service_client::ChainRegistryServiceClient,
        chain_registry_service_server::{ChainRegistryService, ChainRegistryServiceServer},
    },
    indexer::v1::{
        GetTransactionEventsRequest, GetTransactionEventsResponse, ListCheckpointsRequest,
        ListCheckpointsResponse,
        indexer_service_client::IndexerServiceClient,
        indexer_service_server::{IndexerService, IndexerServiceServer},
    },
};
use rpc::{Channel, Identity, caller};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

use crate::authority::Authority;

/// What the test's handler does; it is told which service asks.
pub(crate) type Handler = Arc<dyn Fn(String) -> BoxFuture<'static, Result<(), Status>> + Send + Sync>;

pub(crate) fn handler<F>(work: impl Fn(String) -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    Arc::new(move |peer| Box::pin(work(peer)))
}

pub(crate) struct Indexer(pub(crate) Handler);
pub(crate) struct Registry(pub(crate) Handler);

fn peer<T>(request: &Request<T>) -> String {
    caller::peer(request).map(|peer| peer.name().to_owned()).unwrap_or_default()
}

#[tonic::async_trait]
impl IndexerService for Indexer {
    type WatchCheckpointsStream =
        futures::stream::Empty<Result<proto::indexer::v1::WatchCheckpointsResponse, Status>>;
    type WatchJobStream = futures::stream::Empty<Result<proto::indexer::v1::WatchJobResponse, Status>>;

    async fn watch_checkpoints(
        &self,
        _: Request<proto::indexer::v1::WatchCheckpointsRequest>,
    ) -> Result<Response<Self::WatchCheckpointsStream>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn list_raw_events(
        &self,
        _: Request<proto::indexer::v1::ListRawEventsRequest>,
    ) -> Result<Response<proto::indexer::v1::ListRawEventsResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn probe_contract(
        &self,
        _: Request<proto::indexer::v1::ProbeContractRequest>,
    ) -> Result<Response<proto::indexer::v1::ProbeContractResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn follow_payer(
        &self,
        _: Request<proto::indexer::v1::FollowPayerRequest>,
    ) -> Result<Response<proto::indexer::v1::FollowPayerResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn start_job(
        &self,
        _: Request<proto::indexer::v1::StartJobRequest>,
    ) -> Result<Response<proto::indexer::v1::StartJobResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn get_job(
        &self,
        _: Request<proto::indexer::v1::GetJobRequest>,
    ) -> Result<Response<proto::indexer::v1::GetJobResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn watch_job(
        &self,
        _: Request<proto::indexer::v1::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn list_jobs(
        &self,
        _: Request<proto::indexer::v1::ListJobsRequest>,
    ) -> Result<Response<proto::indexer::v1::ListJobsResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn cancel_job(
        &self,
        _: Request<proto::indexer::v1::CancelJobRequest>,
    ) -> Result<Response<proto::indexer::v1::CancelJobResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn list_checkpoints(
        &self,
        request: Request<ListCheckpointsRequest>,
    ) -> Result<Response<ListCheckpointsResponse>, Status> {
        (self.0)(peer(&request)).await?;
        Ok(Response::new(Default::default()))
    }

    async fn get_transaction_events(
        &self,
        _: Request<GetTransactionEventsRequest>,
    ) -> Result<Response<GetTransactionEventsResponse>, Status> {
        panic!("a handler that panics")
    }
}

#[tonic::async_trait]
impl ChainRegistryService for Registry {
    async fn get_snapshot(
        &self,
        _: tonic::Request<proto::chainregistry::v1::GetSnapshotRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::GetSnapshotResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn enable_chain(
        &self,
        _: tonic::Request<proto::chainregistry::v1::EnableChainRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::EnableChainResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn set_endpoints(
        &self,
        _: tonic::Request<proto::chainregistry::v1::SetEndpointsRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::SetEndpointsResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn set_gas_policy(
        &self,
        _: tonic::Request<proto::chainregistry::v1::SetGasPolicyRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::SetGasPolicyResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn remove_contract(
        &self,
        _: tonic::Request<proto::chainregistry::v1::RemoveContractRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::RemoveContractResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn bump_version(
        &self,
        _: tonic::Request<proto::chainregistry::v1::BumpVersionRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::BumpVersionResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn get_abi(
        &self,
        _: tonic::Request<proto::chainregistry::v1::GetAbiRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::GetAbiResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn resolve_proxy(
        &self,
        _: tonic::Request<proto::chainregistry::v1::ResolveProxyRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::ResolveProxyResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn suggest_fees(
        &self,
        _: tonic::Request<proto::chainregistry::v1::SuggestFeesRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::SuggestFeesResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn list_audit(
        &self,
        _: tonic::Request<proto::chainregistry::v1::ListAuditRequest>,
    ) -> Result<tonic::Response<proto::chainregistry::v1::ListAuditResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    type WatchSnapshotStream =
        futures::stream::Empty<Result<proto::chainregistry::v1::WatchSnapshotResponse, tonic::Status>>;

    async fn watch_snapshot(
        &self,
        _: tonic::Request<proto::chainregistry::v1::WatchSnapshotRequest>,
    ) -> Result<tonic::Response<Self::WatchSnapshotStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("not part of these tests"))
    }

    async fn list_chains(
        &self,
        request: Request<ListChainsRequest>,
    ) -> Result<Response<ListChainsResponse>, Status> {
        // Asked for everything it answers with who asks.
        if request.get_ref().include_disabled {
            return Err(
                rpc::Refusal::new(rpc::Code::NotFound, "NOT_FOUND", caller::of(&request)?.user_id).into()
            );
        }
        (self.0)(peer(&request)).await?;
        Ok(Response::new(Default::default()))
    }

    async fn get_chain(&self, _: Request<GetChainRequest>) -> Result<Response<GetChainResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn list_endpoints(
        &self,
        _: Request<ListEndpointsRequest>,
    ) -> Result<Response<ListEndpointsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn upsert_chain(
        &self,
        _: Request<UpsertChainRequest>,
    ) -> Result<Response<UpsertChainResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn upsert_contract(
        &self,
        _: Request<UpsertContractRequest>,
    ) -> Result<Response<UpsertContractResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

/// A running server; dropping it stops it.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    stopping: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

impl Server {
    pub(crate) fn start(settings: &rpc::Settings, routes: Routes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let stopping = CancellationToken::new();
        let identity = Identity::load(settings).expect("the test's certificates are good");
        tokio::spawn(rpc::serve(listener, identity, routes, stopping.clone()));
        Self { addr, stopping }
    }

    pub(crate) fn indexer(authority: &Authority, work: Handler) -> Self {
        Self::start(&authority.settings("indexer"), Routes::new(IndexerServiceServer::new(Indexer(work))))
    }

    pub(crate) fn registry(authority: &Authority, work: Handler) -> Self {
        let routes = Routes::new(ChainRegistryServiceServer::new(Registry(work)));
        Self::start(&authority.settings("chain-registry"), routes)
    }

    pub(crate) fn channel(&self, target: &'static str, client: &rpc::Settings) -> Channel {
        let identity = Identity::load(client).expect("the test's certificates can be read");
        let url = Url::parse(&format!("https://{}", self.addr)).expect("an address makes a URL");
        rpc::channel(target, &url, &identity).expect("the target is a name")
    }

    pub(crate) fn indexer_client(&self, client: &rpc::Settings) -> IndexerServiceClient<Channel> {
        IndexerServiceClient::new(self.channel("indexer", client))
    }

    pub(crate) fn registry_client(&self, client: &rpc::Settings) -> ChainRegistryServiceClient<Channel> {
        ChainRegistryServiceClient::new(self.channel("chain-registry", client))
    }
}

pub(crate) fn fine() -> Handler {
    handler(|_| async { Ok(()) })
}
