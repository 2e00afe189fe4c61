//! The door for calls: parse, call, reply.

use chrono::{DateTime, Utc};
use ids::{Address, ChainId};
use prost_types::Timestamp;
use proto::chainregistry::v1::{
    self as pb,
    chain_registry_service_server::{ChainRegistryService, ChainRegistryServiceServer},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    endpoint::Endpoint,
    error::Error,
    model::{Chain, Contract, GasPolicy},
    snapshot::Snapshots,
    store,
    upsert_chain::{ChainAsk, upsert_chain},
    upsert_contract::{ContractAsk, upsert_contract},
};

/// The service as tonic wants it.
pub(crate) fn routes(db: PgPool, snapshots: Snapshots) -> Routes {
    Routes::new(ChainRegistryServiceServer::new(Door { db, snapshots }))
}

struct Door {
    db: PgPool,
    snapshots: Snapshots,
}

#[tonic::async_trait]
impl ChainRegistryService for Door {
    async fn list_chains(
        &self,
        request: Request<pb::ListChainsRequest>,
    ) -> Result<Response<pb::ListChainsResponse>, Status> {
        let include_disabled = request.into_inner().include_disabled;
        let snapshot = self.snapshots.current().await?;
        let shown = snapshot.chains.iter().filter(|chain| chain.enabled || include_disabled);
        let chains = shown.map(|chain| to_wire(chain, snapshot.version)).collect();
        Ok(Response::new(pb::ListChainsResponse { chains, version: unsigned(snapshot.version) }))
    }

    async fn get_chain(
        &self,
        request: Request<pb::GetChainRequest>,
    ) -> Result<Response<pb::GetChainResponse>, Status> {
        let chain_id = parse_chain_id("chain_id", &request.into_inner().chain_id)?;
        let snapshot = self.snapshots.current().await?;
        let chain = snapshot.find(chain_id).ok_or(Error::ChainUnknown(chain_id))?;
        Ok(Response::new(pb::GetChainResponse { chain: Some(to_wire(chain, snapshot.version)) }))
    }

    async fn list_endpoints(
        &self,
        request: Request<pb::ListEndpointsRequest>,
    ) -> Result<Response<pb::ListEndpointsResponse>, Status> {
        let chain_id = parse_chain_id("chain_id", &request.into_inner().chain_id)?;
        let found = store::find_endpoints(&self.db, chain_id).await.map_err(Error::from)?;
        let (version, endpoints) = found.ok_or(Error::ChainUnknown(chain_id))?;
        // What an operator has switched off is nobody's to dial.
        let endpoints = endpoints.into_iter().filter(|endpoint| endpoint.active).map(Into::into).collect();
        Ok(Response::new(pb::ListEndpointsResponse { endpoints, version: unsigned(version) }))
    }

    async fn upsert_chain(
        &self,
        request: Request<pb::UpsertChainRequest>,
    ) -> Result<Response<pb::UpsertChainResponse>, Status> {
        let actor = actor(&request)?;
        let (chain, version) = upsert_chain(&self.db, &actor, chain_ask(request.into_inner())?).await?;
        self.snapshots.forget().await;
        Ok(Response::new(pb::UpsertChainResponse { chain: Some(to_wire(&chain, version)) }))
    }

    async fn upsert_contract(
        &self,
        request: Request<pb::UpsertContractRequest>,
    ) -> Result<Response<pb::UpsertContractResponse>, Status> {
        let actor = actor(&request)?;
        let ask = contract_ask(request.into_inner())?;
        let version = unsigned(upsert_contract(&self.db, &actor, &ask).await?);
        self.snapshots.forget().await;
        Ok(Response::new(pb::UpsertContractResponse { contract: Some((&ask.contract).into()), version }))
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

fn chain_ask(request: pb::UpsertChainRequest) -> Result<ChainAsk, Error> {
    let chain = request.chain.ok_or_else(|| Error::field("chain", "is missing"))?;
    let chain_id = parse_chain_id("chain.chain_id", &chain.chain_id)?;
    if chain.chain_numeric != 0 && chain.chain_numeric != chain_id.number() {
        return Err(Error::field("chain.chain_numeric", "is not the number of chain_id"));
    }
    let expected_version = chain.version;
    let chain = Chain {
        chain_id,
        name: chain.name,
        native_symbol: chain.native_symbol,
        decimals: signed(chain.decimals),
        explorer_url: some(chain.explorer_url),
        enabled: chain.enabled,
        confirmations: signed(chain.confirmations),
        reorg_depth: signed(chain.reorg_depth),
        contracts: Vec::new(),
        gas_policy: chain.gas_policy.map(|policy| GasPolicy {
            max_fee_gwei: some(policy.max_fee_gwei),
            priority_fee_gwei: some(policy.priority_fee_gwei),
            multiplier: policy.multiplier,
            last_observed_base_fee_gwei: some(policy.last_observed_base_fee_gwei),
            updated_at: Utc::now(),
        }),
    };
    let endpoints = request.endpoints.into_iter().map(|endpoint| Endpoint {
        url: endpoint.url,
        priority: endpoint.priority,
        weight: endpoint.weight,
        auth_type: endpoint.auth_type,
        rate_limit: endpoint.rate_limit,
        active: endpoint.active,
    });
    Ok(ChainAsk { chain, endpoints: endpoints.collect(), expected_version })
}

fn contract_ask(request: pb::UpsertContractRequest) -> Result<ContractAsk, Error> {
    let contract = request.contract.ok_or_else(|| Error::field("contract", "is missing"))?;
    let address = |path: &str, text: &str| text.parse::<Address>().map_err(|err| Error::field(path, err));
    let contract = Contract {
        name: contract.name,
        address: address("contract.address", &contract.address)?,
        start_block: i64::try_from(contract.start_block)
            .map_err(|_| Error::field("contract.start_block", "is beyond every chain"))?,
        standard: contract.standard,
        impl_address: match contract.impl_address.as_str() {
            "" => None,
            text => Some(address("contract.impl_address", text)?),
        },
    };
    let chain_id = parse_chain_id("chain_id", &request.chain_id)?;
    Ok(ContractAsk { chain_id, contract, abi_json: request.abi_json })
}

fn parse_chain_id(path: &str, text: &str) -> Result<ChainId, Error> {
    text.parse().map_err(|err| Error::field(path, err))
}

fn to_wire(chain: &Chain, version: i64) -> pb::Chain {
    pb::Chain {
        chain_id: chain.chain_id.to_string(),
        chain_numeric: chain.chain_id.number(),
        name: chain.name.clone(),
        native_symbol: chain.native_symbol.clone(),
        decimals: chain.decimals.unsigned_abs(),
        explorer_url: chain.explorer_url.clone().unwrap_or_default(),
        enabled: chain.enabled,
        confirmations: chain.confirmations.unsigned_abs(),
        reorg_depth: chain.reorg_depth.unsigned_abs(),
        contracts: chain.contracts.iter().map(Into::into).collect(),
        gas_policy: chain.gas_policy.as_ref().map(|policy| pb::GasPolicy {
            max_fee_gwei: policy.max_fee_gwei.clone().unwrap_or_default(),
            priority_fee_gwei: policy.priority_fee_gwei.clone().unwrap_or_default(),
            multiplier: policy.multiplier.clone(),
            last_observed_base_fee_gwei: policy.last_observed_base_fee_gwei.clone().unwrap_or_default(),
            update_time: Some(timestamp(policy.updated_at)),
        }),
        version: unsigned(version),
    }
}

impl From<&Contract> for pb::Contract {
    fn from(contract: &Contract) -> pb::Contract {
        pb::Contract {
            name: contract.name.clone(),
            address: contract.address.to_lower(),
            start_block: unsigned(contract.start_block),
            standard: contract.standard.clone(),
            impl_address: contract.impl_address.map(|address| address.to_lower()).unwrap_or_default(),
        }
    }
}

impl From<Endpoint> for pb::Endpoint {
    fn from(endpoint: Endpoint) -> pb::Endpoint {
        let Endpoint { url, priority, weight, auth_type, rate_limit, active } = endpoint;
        pb::Endpoint { url, priority, weight, auth_type, rate_limit, active }
    }
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: at.timestamp(), nanos: at.timestamp_subsec_nanos().cast_signed() }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn unsigned(number: i64) -> u64 {
    number.unsigned_abs()
}

/// What is beyond the column's range is beyond every rule's range too, and refused by it.
fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
