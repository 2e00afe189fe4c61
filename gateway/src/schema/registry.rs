//! The registry of chains, for admins. What endpoints are called at goes in and never comes back out.

use async_graphql::{Context, Enum, InputObject, Json, Object, Result, Union};
use proto::chainregistry::v1::{
    self as pb, BumpVersionRequest, EnableChainRequest, RemoveContractRequest, SetEndpointsRequest,
    SetGasPolicyRequest, UpsertChainRequest, UpsertContractRequest,
};
use tonic::Status;

use super::{
    chain::{self, Chain, ChainContract},
    guard::{Requires, auth},
    prepared::optional,
    problem::{self, ConflictProblem, ForbiddenProblem, NotFoundProblem, Problem, ValidationProblem},
    scalar::{Address, BigInt, ChainId, Uri},
    user::{Role, acting},
};
use crate::{error::failed, peers::Peers};

/// How an endpoint knows who calls.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndpointAuth {
    /// It lets everybody call.
    None,
    /// By what its address holds.
    Url,
    /// By a header that stands behind the `#` of its address: `https://rpc.example/v2#x-api-key=secret`.
    Header,
}

/// A node of a chain.
#[derive(InputObject)]
pub(crate) struct EndpointInput {
    /// Where it is called, with its secret; it is never shown again.
    url: Uri,
    /// Lower is tried first.
    #[graphql(default)]
    priority: i32,
    /// How much of the calls it gets among those of its priority.
    #[graphql(default = 1)]
    weight: i32,
    #[graphql(default_with = "EndpointAuth::None")]
    auth_type: EndpointAuth,
    /// Requests a second; as many as there are where absent.
    rate_limit: Option<i32>,
    /// Whether it is called at all.
    #[graphql(default = true)]
    active: bool,
}

/// What transactions offer for gas.
#[derive(InputObject)]
pub(crate) struct GasPolicyInput {
    /// The most that is offered for a unit of gas, in gwei: `1.5`. Nothing caps it where absent.
    max_fee_gwei: Option<String>,
    /// What is offered to who builds the block, in gwei; the chain is asked where absent.
    priority_fee_gwei: Option<String>,
    /// The observed base fee times this is offered: `1.25`.
    multiplier: String,
}

/// A chain as it is to be.
#[derive(InputObject)]
pub(crate) struct UpsertChainInput {
    chain_id: ChainId,
    name: String,
    /// `ETH`.
    native_symbol: String,
    #[graphql(default = 18)]
    decimals: u32,
    explorer_url: Option<Uri>,
    enabled: bool,
    /// Blocks that make a transaction confirmed.
    confirmations: u32,
    /// How many blocks may be taken back before the chain is halted.
    reorg_depth: u32,
    /// How long a block usually takes, in milliseconds.
    block_time_ms: Option<BigInt>,
    /// After so many blocks nothing is taken back any more.
    finality_blocks: Option<u32>,
    /// Switches: an object.
    features: Option<Json<serde_json::Map<String, serde_json::Value>>>,
    /// Left alone where absent.
    gas_policy: Option<GasPolicyInput>,
    /// They replace those that are stored.
    endpoints: Vec<EndpointInput>,
    /// Only where the registry still has this version.
    expected_version: Option<BigInt>,
}

/// Endpoints of a chain.
#[derive(InputObject)]
pub(crate) struct SetChainEndpointsInput {
    chain_id: ChainId,
    /// They replace those that are stored.
    endpoints: Vec<EndpointInput>,
    /// Only where the registry still has this version.
    expected_version: Option<BigInt>,
}

/// The gas policy of a chain.
#[derive(InputObject)]
pub(crate) struct SetGasPolicyInput {
    chain_id: ChainId,
    gas_policy: GasPolicyInput,
    /// Only where the registry still has this version.
    expected_version: Option<BigInt>,
}

/// A contract as the launchpad is to know it.
#[derive(InputObject)]
pub(crate) struct UpsertChainContractInput {
    chain_id: ChainId,
    /// What it is known as.
    name: String,
    address: Address,
    /// `factory`, `exchange`, `operator`, `ERC20`, `ERC721`, `ERC1155`.
    standard: String,
    /// The block that it is read from.
    start_block: BigInt,
    /// Where its code is, if it is a proxy.
    impl_address: Option<Address>,
    /// Its interface as JSON; left alone where absent.
    abi_json: Option<String>,
    /// What compiled it.
    abi_compiler: Option<String>,
    /// Where the interface comes from.
    abi_source: Option<String>,
    /// Only where the registry still has this version.
    expected_version: Option<BigInt>,
}

/// A contract that is to be forgotten.
#[derive(InputObject)]
pub(crate) struct RemoveChainContractInput {
    chain_id: ChainId,
    address: Address,
    /// Only where the registry still has this version.
    expected_version: Option<BigInt>,
}

/// The registry after a change.
pub(crate) struct RegistryChange {
    version: u64,
    chain_id: Option<ids::ChainId>,
    chain: Option<pb::Chain>,
    contract: Option<pb::Contract>,
}

#[Object]
impl RegistryChange {
    /// The version that it has now.
    async fn version(&self) -> BigInt {
        BigInt(amounts::U256::from(self.version))
    }

    /// The chain that was changed; null for a change of none, and with an error while the registry cannot be read.
    async fn chain(&self, context: &Context<'_>) -> Option<Result<Chain>> {
        match &self.chain {
            Some(chain) => Some(Ok(Chain(chain.clone()))),
            None => chain::load(context, self.chain_id?).await,
        }
    }

    /// The contract that was changed; null for a change of none.
    async fn contract(&self) -> Result<Option<ChainContract>> {
        self.contract.as_ref().map(chain::contract).transpose()
    }
}

/// The registry as it is now, or why nothing changed; STALE_VERSION where somebody else was faster.
#[derive(Union)]
pub(crate) enum AdministerRegistryResult {
    Change(Box<RegistryChange>),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Forbidden(ForbiddenProblem),
    Conflict(ConflictProblem),
}

#[derive(Default)]
pub(crate) struct RegistryMutation;

#[Object]
impl RegistryMutation {
    /// Creates a chain or changes it, with its endpoints. Its contracts are left alone.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn upsert_chain(
        &self,
        context: &Context<'_>,
        input: UpsertChainInput,
    ) -> Result<AdministerRegistryResult> {
        let (version, block_time_millis) = match (
            version(input.expected_version),
            input.block_time_ms.map_or(Ok(0), |time| number("blockTimeMs", time)),
        ) {
            (Ok(version), Ok(time)) => (version, time),
            (Err(problem), _) | (_, Err(problem)) => {
                return Ok(AdministerRegistryResult::Validation(problem));
            }
        };
        let chain = pb::Chain {
            chain_id: input.chain_id.0.to_string(),
            chain_numeric: input.chain_id.0.number(),
            name: input.name,
            native_symbol: input.native_symbol,
            decimals: input.decimals,
            explorer_url: input.explorer_url.map(|url| url.0).unwrap_or_default(),
            enabled: input.enabled,
            confirmations: input.confirmations,
            reorg_depth: input.reorg_depth,
            gas_policy: input.gas_policy.map(gas_policy),
            version,
            block_time_millis,
            finality_blocks: input.finality_blocks.unwrap_or_default(),
            features_json: match input.features {
                Some(Json(features)) => serde_json::Value::Object(features).to_string(),
                None => String::new(),
            },
            ..pb::Chain::default()
        };
        let endpoints = input.endpoints.into_iter().map(endpoint).collect();
        let asked = UpsertChainRequest { chain: Some(chain), endpoints };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().chains.clone().upsert_chain(asked).await;
        changed(answer.map(|answer| of_chain(answer.into_inner().chain)))
    }

    /// Takes a chain of the built-in table into use by saying where it is called.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn enable_chain(
        &self,
        context: &Context<'_>,
        input: SetChainEndpointsInput,
    ) -> Result<AdministerRegistryResult> {
        let expected_version = match version(input.expected_version) {
            Ok(version) => version,
            Err(problem) => return Ok(AdministerRegistryResult::Validation(problem)),
        };
        let asked = EnableChainRequest {
            chain_id: input.chain_id.0.to_string(),
            endpoints: input.endpoints.into_iter().map(endpoint).collect(),
            expected_version,
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().chains.clone().enable_chain(asked).await;
        changed(answer.map(|answer| of_chain(answer.into_inner().chain)))
    }

    /// Replaces the endpoints of a chain and nothing else.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn set_chain_endpoints(
        &self,
        context: &Context<'_>,
        input: SetChainEndpointsInput,
    ) -> Result<AdministerRegistryResult> {
        let expected_version = match version(input.expected_version) {
            Ok(version) => version,
            Err(problem) => return Ok(AdministerRegistryResult::Validation(problem)),
        };
        let asked = SetEndpointsRequest {
            chain_id: input.chain_id.0.to_string(),
            endpoints: input.endpoints.into_iter().map(endpoint).collect(),
            expected_version,
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().chains.clone().set_endpoints(asked).await;
        changed(answer.map(|answer| of_version(answer.into_inner().version, Some(input.chain_id))))
    }

    /// Replaces the gas policy of a chain and nothing else.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn set_gas_policy(
        &self,
        context: &Context<'_>,
        input: SetGasPolicyInput,
    ) -> Result<AdministerRegistryResult> {
        let expected_version = match version(input.expected_version) {
            Ok(version) => version,
            Err(problem) => return Ok(AdministerRegistryResult::Validation(problem)),
        };
        let asked = SetGasPolicyRequest {
            chain_id: input.chain_id.0.to_string(),
            gas_policy: Some(gas_policy(input.gas_policy)),
            expected_version,
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().chains.clone().set_gas_policy(asked).await;
        changed(answer.map(|answer| of_chain(answer.into_inner().chain)))
    }

    /// Registers a contract of a chain, or changes what is known of it.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn upsert_chain_contract(
        &self,
        context: &Context<'_>,
        input: UpsertChainContractInput,
    ) -> Result<AdministerRegistryResult> {
        let (expected_version, start_block) =
            match (version(input.expected_version), number("startBlock", input.start_block)) {
                (Ok(version), Ok(block)) => (version, block),
                (Err(problem), _) | (_, Err(problem)) => {
                    return Ok(AdministerRegistryResult::Validation(problem));
                }
            };
        let contract = pb::Contract {
            name: input.name,
            address: input.address.0.to_lower(),
            start_block,
            standard: input.standard,
            impl_address: optional(input.impl_address),
            ..pb::Contract::default()
        };
        let asked = UpsertContractRequest {
            chain_id: input.chain_id.0.to_string(),
            contract: Some(contract),
            abi_json: input.abi_json.unwrap_or_default(),
            expected_version,
            abi_compiler: input.abi_compiler.unwrap_or_default(),
            abi_source: input.abi_source.unwrap_or_default(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().chains.clone().upsert_contract(asked).await;
        changed(answer.map(|answer| {
            let answer = answer.into_inner();
            RegistryChange { contract: answer.contract, ..of_version(answer.version, Some(input.chain_id)) }
        }))
    }

    /// Forgets a contract of a chain.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn remove_chain_contract(
        &self,
        context: &Context<'_>,
        input: RemoveChainContractInput,
    ) -> Result<AdministerRegistryResult> {
        let expected_version = match version(input.expected_version) {
            Ok(version) => version,
            Err(problem) => return Ok(AdministerRegistryResult::Validation(problem)),
        };
        let asked = RemoveContractRequest {
            chain_id: input.chain_id.0.to_string(),
            address: input.address.0.to_lower(),
            expected_version,
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().chains.clone().remove_contract(asked).await;
        changed(answer.map(|answer| of_version(answer.into_inner().version, Some(input.chain_id))))
    }

    /// Makes a new version of the unchanged registry, so that everything that remembers it reads it anew.
    #[graphql(guard = "Requires(Role::Admin)", directive = auth::apply(Role::Admin))]
    async fn bump_chain_version(&self, context: &Context<'_>) -> Result<AdministerRegistryResult> {
        let asked = rpc::caller::acting(BumpVersionRequest {}, &acting(context)?.caller());
        let answer = context.data_unchecked::<Peers>().chains.clone().bump_version(asked).await;
        changed(answer.map(|answer| of_version(answer.into_inner().version, None)))
    }
}

fn of_chain(chain: Option<pb::Chain>) -> RegistryChange {
    let chain = chain.unwrap_or_default();
    RegistryChange { version: chain.version, chain_id: None, chain: Some(chain), contract: None }
}

fn of_version(version: u64, chain_id: Option<ChainId>) -> RegistryChange {
    RegistryChange { version, chain_id: chain_id.map(|chain_id| chain_id.0), chain: None, contract: None }
}

fn changed(answer: Result<RegistryChange, Status>) -> Result<AdministerRegistryResult> {
    match answer {
        Ok(change) => Ok(AdministerRegistryResult::Change(Box::new(change))),
        Err(status) => match problem::expected(&status)? {
            Problem::Validation(problem) => Ok(AdministerRegistryResult::Validation(problem)),
            Problem::NotFound(problem) => Ok(AdministerRegistryResult::NotFound(problem)),
            Problem::Forbidden(problem) => Ok(AdministerRegistryResult::Forbidden(problem)),
            Problem::Conflict(problem) => Ok(AdministerRegistryResult::Conflict(problem)),
            _ => Err(failed(&status)),
        },
    }
}

fn endpoint(endpoint: EndpointInput) -> pb::Endpoint {
    let auth_type = match endpoint.auth_type {
        EndpointAuth::None => "none",
        EndpointAuth::Url => "url",
        EndpointAuth::Header => "header",
    };
    pb::Endpoint {
        url: endpoint.url.0,
        priority: endpoint.priority,
        weight: endpoint.weight,
        auth_type: auth_type.to_owned(),
        rate_limit: endpoint.rate_limit.unwrap_or_default(),
        active: endpoint.active,
    }
}

fn gas_policy(policy: GasPolicyInput) -> pb::GasPolicy {
    pb::GasPolicy {
        max_fee_gwei: policy.max_fee_gwei.unwrap_or_default(),
        priority_fee_gwei: policy.priority_fee_gwei.unwrap_or_default(),
        multiplier: policy.multiplier,
        ..pb::GasPolicy::default()
    }
}

/// The registry's version for the wire, where zero is any.
fn version(expected: Option<BigInt>) -> Result<u64, ValidationProblem> {
    match expected.map(|version| u64::try_from(version.0)) {
        None => Ok(0),
        Some(Ok(version @ 1..)) => Ok(version),
        Some(_) => Err(ValidationProblem::field("expectedVersion", "must be a version that was read")),
    }
}

fn number(field: &str, number: BigInt) -> Result<u64, ValidationProblem> {
    u64::try_from(number.0).map_err(|_| ValidationProblem::field(field, "must be below 2^64"))
}
