//! What the verbs found, in the words of the wire.

use chrono::{DateTime, Utc};
use ids::Address;
use prost_types::Timestamp;
use proto::chainregistry::v1 as pb;
use serde_json::Value;

use crate::{
    endpoint::Endpoint,
    model::{Chain, Contract},
    proxy::ProxyKind,
    resolve_proxy::Resolved,
    snapshot::Current,
    store::{Abi, AuditEntry, Implementation, Observed},
    suggest_fees::Suggestion,
};

pub(super) fn chain(chain: &Chain, version: i64, observed: &Observed) -> pb::Chain {
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
        contracts: chain.contracts.iter().map(contract).collect(),
        gas_policy: chain.gas_policy.as_ref().map(|policy| pb::GasPolicy {
            max_fee_gwei: policy.max_fee_gwei.clone().unwrap_or_default(),
            priority_fee_gwei: policy.priority_fee_gwei.clone().unwrap_or_default(),
            multiplier: policy.multiplier.clone(),
            last_observed_base_fee_gwei: observed.get(&chain.chain_id).cloned().unwrap_or_default(),
            update_time: Some(timestamp(policy.updated_at)),
        }),
        version: unsigned(version),
        block_time_millis: u64::from(chain.block_time_millis.unsigned_abs()),
        finality_blocks: chain.finality_blocks.unsigned_abs(),
        features_json: Value::Object(chain.features.clone()).to_string(),
    }
}

pub(super) fn contract(contract: &Contract) -> pb::Contract {
    pb::Contract {
        name: contract.name.clone(),
        address: contract.address.to_lower(),
        start_block: unsigned(contract.start_block),
        standard: contract.standard.clone(),
        impl_address: contract.impl_address.map(|address| address.to_lower()).unwrap_or_default(),
        abi_sha256: contract.abi_sha256.clone().unwrap_or_default(),
        first_seen_time: Some(timestamp(contract.first_seen_at)),
    }
}

pub(super) fn endpoint(endpoint: &Endpoint) -> pb::Endpoint {
    let Endpoint { url, priority, weight, auth_type, rate_limit, active } = endpoint.clone();
    pb::Endpoint { url, priority, weight, auth_type, rate_limit, active }
}

pub(super) fn snapshot(current: &Current) -> pb::GetSnapshotResponse {
    let Current { snapshot, observed } = current;
    let dialled = |known: &Chain| pb::DialledChain {
        chain: Some(chain(known, snapshot.version(), observed)),
        endpoints: snapshot.endpoints(known.chain_id).map(endpoint).collect(),
    };
    let chains = snapshot.chains.iter().map(dialled).collect();
    pb::GetSnapshotResponse { version: unsigned(snapshot.version()), chains }
}

pub(super) fn abi(text: String, abi: Abi) -> pb::GetAbiResponse {
    pb::GetAbiResponse {
        abi_json: text,
        compiler: abi.compiler.unwrap_or_default(),
        source: abi.source.unwrap_or_default(),
        contract_name: abi.contract_name.unwrap_or_default(),
        standard: abi.standard.unwrap_or_default(),
        size_bytes: abi.size_bytes.unsigned_abs(),
        s3_key: abi.s3_key.unwrap_or_default(),
        create_time: Some(timestamp(abi.created_at)),
    }
}

pub(super) fn resolved(resolved: Resolved) -> pb::ResolveProxyResponse {
    let kind = match resolved.proxy.kind {
        ProxyKind::None => pb::ProxyKind::None,
        ProxyKind::Eip1967 => pb::ProxyKind::Eip1967,
        ProxyKind::Beacon => pb::ProxyKind::Beacon,
        ProxyKind::Eip1167 => pb::ProxyKind::Eip1167,
    };
    let lower = |address: Option<alloy::primitives::Address>| {
        address.map(|address| Address::from(address).to_lower()).unwrap_or_default()
    };
    let implementation = |seen: Implementation| pb::Implementation {
        address: seen.impl_address,
        previous: seen.previous_impl_address.unwrap_or_default(),
        seen_time: Some(timestamp(seen.seen_at)),
    };
    pb::ResolveProxyResponse {
        kind: kind.into(),
        implementation: lower(resolved.proxy.implementation),
        beacon: lower(resolved.proxy.beacon),
        admin: lower(resolved.proxy.admin),
        history: resolved.history.into_iter().map(implementation).collect(),
    }
}

pub(super) fn fees(suggestion: &Suggestion) -> pb::SuggestFeesResponse {
    pb::SuggestFeesResponse {
        base_fee: suggestion.base_fee.to_string(),
        max_fee_per_gas: suggestion.price.max_fee.to_string(),
        max_priority_fee_per_gas: suggestion.price.priority_fee.to_string(),
        capped: suggestion.price.capped,
        observe_time: Some(timestamp(suggestion.observed_at)),
    }
}

pub(super) fn audit_entry(entry: AuditEntry) -> pb::AuditEntry {
    pb::AuditEntry {
        audit_id: entry.audit_id.to_string(),
        version: unsigned(entry.version),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        before_json: entry.before_json.map(|before| before.to_string()).unwrap_or_default(),
        after_json: entry.after_json.to_string(),
        create_time: Some(timestamp(entry.created_at)),
    }
}

pub(super) fn unsigned(number: i64) -> u64 {
    number.unsigned_abs()
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: at.timestamp(), nanos: at.timestamp_subsec_nanos().cast_signed() }
}
