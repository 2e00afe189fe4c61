//! What a request asks for, in the words of the verbs.

use chrono::Utc;
use ids::{Address, ChainId};
use proto::chainregistry::v1 as pb;
use serde_json::{Map, Value};

use crate::{
    chain_state::ChainState,
    endpoint::Endpoint,
    error::Error,
    model::{Chain, Contract, GasPolicy},
    upsert_chain::ChainAsk,
    upsert_contract::ContractAsk,
};

pub(super) fn chain_ask(request: pb::UpsertChainRequest) -> Result<ChainAsk, Error> {
    let chain = request.chain.ok_or_else(|| Error::field("chain", "is missing"))?;
    let chain_id = chain_id("chain.chain_id", &chain.chain_id)?;
    if chain.chain_numeric != 0 && chain.chain_numeric != chain_id.number() {
        return Err(Error::field("chain.chain_numeric", "is not the number of chain_id"));
    }
    let expected_version = chain.version;
    let chain = Chain {
        chain_id,
        name: chain.name,
        native_symbol: chain.native_symbol,
        decimals: signed(u64::from(chain.decimals)),
        explorer_url: some(chain.explorer_url),
        enabled: chain.enabled,
        confirmations: signed(u64::from(chain.confirmations)),
        reorg_depth: signed(u64::from(chain.reorg_depth)),
        block_time_millis: signed(chain.block_time_millis),
        finality_blocks: signed(u64::from(chain.finality_blocks)),
        features: features(&chain.features_json)?,
        contracts: Vec::new(),
        gas_policy: chain.gas_policy.map(gas_policy),
    };
    Ok(ChainAsk { state: ChainState { chain, endpoints: endpoints(request.endpoints) }, expected_version })
}

pub(super) fn contract_ask(request: pb::UpsertContractRequest) -> Result<ContractAsk, Error> {
    let contract = request.contract.ok_or_else(|| Error::field("contract", "is missing"))?;
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
        abi_sha256: some(contract.abi_sha256),
        first_seen_at: Utc::now(),
    };
    Ok(ContractAsk {
        chain_id: chain_id("chain_id", &request.chain_id)?,
        contract,
        abi_json: some(request.abi_json),
        compiler: some(request.abi_compiler),
        source: some(request.abi_source),
        expected_version: request.expected_version,
    })
}

pub(super) fn endpoints(endpoints: Vec<pb::Endpoint>) -> Vec<Endpoint> {
    let endpoint = |endpoint| {
        let pb::Endpoint { url, priority, weight, auth_type, rate_limit, active } = endpoint;
        Endpoint { url, priority, weight, auth_type, rate_limit, active }
    };
    endpoints.into_iter().map(endpoint).collect()
}

/// What was observed is no writer's to say.
pub(super) fn gas_policy(policy: pb::GasPolicy) -> GasPolicy {
    GasPolicy {
        max_fee_gwei: some(policy.max_fee_gwei),
        priority_fee_gwei: some(policy.priority_fee_gwei),
        multiplier: policy.multiplier,
        updated_at: Utc::now(),
    }
}

pub(super) fn chain_id(path: &str, text: &str) -> Result<ChainId, Error> {
    text.parse().map_err(|err| Error::field(path, err))
}

pub(super) fn address(path: &str, text: &str) -> Result<Address, Error> {
    text.parse().map_err(|err| Error::field(path, err))
}

fn features(text: &str) -> Result<Map<String, Value>, Error> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(features)) => Ok(features),
        Ok(_) => Err(Error::field("chain.features_json", "must be a JSON object")),
        Err(err) => Err(Error::field("chain.features_json", err)),
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// What is beyond the column's range is beyond every rule's range too, and refused by it.
fn signed(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
