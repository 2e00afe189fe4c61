//! The door for calls: parse, call, reply.

mod parse;
mod reply;

use std::pin::Pin;

use futures::{Stream, StreamExt};
use proto::chainregistry::v1::{
    self as pb,
    chain_registry_service_server::{ChainRegistryService, ChainRegistryServiceServer},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    abi_text::ABI_MAX_BYTES, blobs::Blobs, bump_version::bump_version, chain_table,
    enable_chain::enable_chain, error::Error, get_abi::get_abi, list_audit::list_audit, model::Chain,
    nodes::Nodes, remove_contract::remove_contract, resolve_proxy::resolve_proxy,
    set_endpoints::set_endpoints, set_gas_policy::set_gas_policy, snapshot::Snapshots,
    suggest_fees::FeeWatch, upsert_chain::upsert_chain, upsert_contract::upsert_contract,
    watch_snapshot::Watchers,
};

/// The largest interface with all that is around it.
const REQUEST_MAX_BYTES: usize = ABI_MAX_BYTES + 64 * 1024;

/// The service as tonic wants it.
pub(crate) fn routes(door: Door) -> Routes {
    Routes::new(ChainRegistryServiceServer::new(door).max_decoding_message_size(REQUEST_MAX_BYTES))
}

pub(crate) struct Door {
    pub(crate) db: PgPool,
    pub(crate) snapshots: Snapshots,
    pub(crate) blobs: Blobs,
    pub(crate) nodes: Nodes,
    pub(crate) fees: FeeWatch,
    pub(crate) watchers: Watchers,
}

impl Door {
    /// A chain that was just written, as the next reader will see it.
    async fn written(&self, (chain, version): (Chain, i64)) -> pb::Chain {
        self.snapshots.forget().await;
        let observed = self.snapshots.current().await.map(|current| current.observed);
        reply::chain(&chain, version, &observed.unwrap_or_default())
    }
}

#[tonic::async_trait]
impl ChainRegistryService for Door {
    async fn list_chains(
        &self,
        request: Request<pb::ListChainsRequest>,
    ) -> Result<Response<pb::ListChainsResponse>, Status> {
        let include_disabled = request.into_inner().include_disabled;
        let current = self.snapshots.current().await?;
        let snapshot = &current.snapshot;
        let stored = snapshot.chains.iter().filter(|chain| chain.enabled || include_disabled);
        // What could be enabled is shown to who asks for what is not.
        let others = chain_table::all()
            .iter()
            .filter(|chain| include_disabled && snapshot.find(chain.chain_id).is_none());
        let shown = stored.chain(others);
        let chains = shown.map(|chain| reply::chain(chain, snapshot.version(), &current.observed)).collect();
        Ok(Response::new(pb::ListChainsResponse { chains, version: reply::unsigned(snapshot.version()) }))
    }

    async fn get_chain(
        &self,
        request: Request<pb::GetChainRequest>,
    ) -> Result<Response<pb::GetChainResponse>, Status> {
        let chain_id = parse::chain_id("chain_id", &request.into_inner().chain_id)?;
        let current = self.snapshots.current().await?;
        let found = current.snapshot.find(chain_id).or_else(|| chain_table::find(chain_id));
        let chain = found.ok_or(Error::ChainUnknown(chain_id))?;
        let chain = reply::chain(chain, current.snapshot.version(), &current.observed);
        Ok(Response::new(pb::GetChainResponse { chain: Some(chain) }))
    }

    async fn list_endpoints(
        &self,
        request: Request<pb::ListEndpointsRequest>,
    ) -> Result<Response<pb::ListEndpointsResponse>, Status> {
        let chain_id = parse::chain_id("chain_id", &request.into_inner().chain_id)?;
        let snapshot = self.snapshots.current().await?.snapshot;
        snapshot.find(chain_id).ok_or(Error::ChainUnknown(chain_id))?;
        let endpoints = snapshot.endpoints(chain_id).map(reply::endpoint).collect();
        let version = reply::unsigned(snapshot.version());
        Ok(Response::new(pb::ListEndpointsResponse { endpoints, version }))
    }

    async fn get_snapshot(
        &self,
        _: Request<pb::GetSnapshotRequest>,
    ) -> Result<Response<pb::GetSnapshotResponse>, Status> {
        Ok(Response::new(reply::snapshot(&self.snapshots.current().await?)))
    }

    type WatchSnapshotStream = Pin<Box<dyn Stream<Item = Result<pb::WatchSnapshotResponse, Status>> + Send>>;

    async fn watch_snapshot(
        &self,
        _: Request<pb::WatchSnapshotRequest>,
    ) -> Result<Response<Self::WatchSnapshotStream>, Status> {
        let snapshots = self.watchers.watch_snapshot(&self.snapshots).await?;
        let told = snapshots.map(|current| {
            let pb::GetSnapshotResponse { version, chains } = reply::snapshot(&current);
            Ok(pb::WatchSnapshotResponse { version, chains })
        });
        Ok(Response::new(Box::pin(told)))
    }

    async fn upsert_chain(
        &self,
        request: Request<pb::UpsertChainRequest>,
    ) -> Result<Response<pb::UpsertChainResponse>, Status> {
        let actor = actor(&request)?;
        let ask = parse::chain_ask(request.into_inner())?;
        let chain = self.written(upsert_chain(&self.db, &actor, ask).await?).await;
        Ok(Response::new(pb::UpsertChainResponse { chain: Some(chain) }))
    }

    async fn enable_chain(
        &self,
        request: Request<pb::EnableChainRequest>,
    ) -> Result<Response<pb::EnableChainResponse>, Status> {
        let actor = actor(&request)?;
        let pb::EnableChainRequest { chain_id, endpoints, expected_version } = request.into_inner();
        let chain_id = parse::chain_id("chain_id", &chain_id)?;
        let endpoints = parse::endpoints(endpoints);
        let enabled = enable_chain(&self.db, &actor, chain_id, endpoints, expected_version).await?;
        Ok(Response::new(pb::EnableChainResponse { chain: Some(self.written(enabled).await) }))
    }

    async fn set_endpoints(
        &self,
        request: Request<pb::SetEndpointsRequest>,
    ) -> Result<Response<pb::SetEndpointsResponse>, Status> {
        let actor = actor(&request)?;
        let pb::SetEndpointsRequest { chain_id, endpoints, expected_version } = request.into_inner();
        let chain_id = parse::chain_id("chain_id", &chain_id)?;
        let endpoints = parse::endpoints(endpoints);
        let version = set_endpoints(&self.db, &actor, chain_id, endpoints, expected_version).await?;
        self.snapshots.forget().await;
        Ok(Response::new(pb::SetEndpointsResponse { version: reply::unsigned(version) }))
    }

    async fn set_gas_policy(
        &self,
        request: Request<pb::SetGasPolicyRequest>,
    ) -> Result<Response<pb::SetGasPolicyResponse>, Status> {
        let actor = actor(&request)?;
        let pb::SetGasPolicyRequest { chain_id, gas_policy, expected_version } = request.into_inner();
        let chain_id = parse::chain_id("chain_id", &chain_id)?;
        let policy = gas_policy.ok_or_else(|| Error::field("gas_policy", "is missing"))?;
        let policy = parse::gas_policy(policy);
        let set = set_gas_policy(&self.db, &actor, chain_id, policy, expected_version).await?;
        Ok(Response::new(pb::SetGasPolicyResponse { chain: Some(self.written(set).await) }))
    }

    async fn upsert_contract(
        &self,
        request: Request<pb::UpsertContractRequest>,
    ) -> Result<Response<pb::UpsertContractResponse>, Status> {
        let actor = actor(&request)?;
        let ask = parse::contract_ask(request.into_inner())?;
        let (contract, version) = upsert_contract(&self.db, &self.blobs, &actor, ask).await?;
        self.snapshots.forget().await;
        let contract = Some(reply::contract(&contract));
        Ok(Response::new(pb::UpsertContractResponse { contract, version: reply::unsigned(version) }))
    }

    async fn remove_contract(
        &self,
        request: Request<pb::RemoveContractRequest>,
    ) -> Result<Response<pb::RemoveContractResponse>, Status> {
        let actor = actor(&request)?;
        let pb::RemoveContractRequest { chain_id, address, expected_version } = request.into_inner();
        let chain_id = parse::chain_id("chain_id", &chain_id)?;
        let address = parse::address("address", &address)?;
        let version = remove_contract(&self.db, &actor, chain_id, address, expected_version).await?;
        self.snapshots.forget().await;
        Ok(Response::new(pb::RemoveContractResponse { version: reply::unsigned(version) }))
    }

    async fn bump_version(
        &self,
        request: Request<pb::BumpVersionRequest>,
    ) -> Result<Response<pb::BumpVersionResponse>, Status> {
        let version = bump_version(&self.db, &actor(&request)?).await?;
        self.snapshots.forget().await;
        Ok(Response::new(pb::BumpVersionResponse { version: reply::unsigned(version) }))
    }

    async fn get_abi(
        &self,
        request: Request<pb::GetAbiRequest>,
    ) -> Result<Response<pb::GetAbiResponse>, Status> {
        let (text, abi) = get_abi(&self.db, &self.blobs, &request.into_inner().sha256).await?;
        Ok(Response::new(reply::abi(text, abi)))
    }

    async fn resolve_proxy(
        &self,
        request: Request<pb::ResolveProxyRequest>,
    ) -> Result<Response<pb::ResolveProxyResponse>, Status> {
        let pb::ResolveProxyRequest { chain_id, address } = request.into_inner();
        let chain_id = parse::chain_id("chain_id", &chain_id)?;
        let address = parse::address("address", &address)?;
        let found = resolve_proxy(&self.db, &self.snapshots, &self.nodes, chain_id, address).await?;
        Ok(Response::new(reply::resolved(found)))
    }

    async fn suggest_fees(
        &self,
        request: Request<pb::SuggestFeesRequest>,
    ) -> Result<Response<pb::SuggestFeesResponse>, Status> {
        let chain_id = parse::chain_id("chain_id", &request.into_inner().chain_id)?;
        let fees = &self.fees;
        let suggestion = fees.suggest_fees(&self.db, &self.snapshots, &self.nodes, chain_id).await?;
        Ok(Response::new(reply::fees(&suggestion)))
    }

    async fn list_audit(
        &self,
        request: Request<pb::ListAuditRequest>,
    ) -> Result<Response<pb::ListAuditResponse>, Status> {
        actor(&request)?;
        let pb::ListAuditRequest { page_size, page_token } = request.into_inner();
        let (entries, next) = list_audit(&self.db, page_size, &page_token).await?;
        let entries = entries.into_iter().map(reply::audit_entry).collect();
        Ok(Response::new(pb::ListAuditResponse { entries, next_page_token: next.unwrap_or_default() }))
    }
}

/// Who writes: the people who run the fleet, by their certificate, or an admin through the gateway.
fn actor<T>(request: &Request<T>) -> Result<String, Status> {
    if rpc::caller::peer(request).is_some_and(|peer| peer.name() == "operator") {
        return Ok("operator".to_owned());
    }
    let caller = rpc::caller::of(request)?;
    match caller.roles.iter().any(|role| role == "admin") {
        true => Ok(format!("user:{}", caller.user_id)),
        false => Err(Error::NotAllowed.into()),
    }
}
