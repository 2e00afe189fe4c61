//! From what the verbs give to the wire.

use abi::launchpad::STAGE_ALLOWLIST;
use amounts::U256;
use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::{
    common::v1::{ContractRef, TokenRef},
    orchestrator::v1 as pb,
};

use crate::{
    eligibility::{Access, Eligibility, Offer},
    model::{Act, Intent, Kind, Status, Step, StepStatus, Transaction},
    prepare::Prepared,
};

pub(super) fn prepared(prepared: Prepared) -> (pb::Intent, Vec<pb::Step>) {
    (intent(&prepared.intent), prepared.steps.into_iter().map(step).collect())
}

pub(super) fn intent(intent: &Intent) -> pb::Intent {
    let chain_id = intent.chain_id.to_string();
    let problem = intent.problem.as_ref();
    let token = |contract: &str, id: &ids::TokenId| TokenRef {
        chain_id: chain_id.clone(),
        address: contract.to_owned(),
        token_id: id.to_string(),
    };
    let contract = intent.contract.map(|address| address.to_lower());
    pb::Intent {
        intent_id: intent.intent_id.to_string(),
        kind: kind(intent.kind).into(),
        status: status(intent.status).into(),
        preview_address: intent.preview_address.map(|address| address.to_lower()).unwrap_or_default(),
        tx_hash: intent.tx_hash.map(|hash| hash.to_string()).unwrap_or_default(),
        created_by: intent.created_by.to_string(),
        error_code: problem.map(|problem| problem.code.clone()).unwrap_or_default(),
        error_message: problem.map(|problem| problem.message.clone()).unwrap_or_default(),
        deadline: Some(timestamp(intent.deadline_at)),
        create_time: Some(timestamp(intent.created_at)),
        update_time: Some(timestamp(intent.updated_at)),
        tokens: match &contract {
            Some(contract) => intent.token_ids.iter().map(|id| token(contract, id)).collect(),
            None => Vec::new(),
        },
        contract: contract.map(|address| ContractRef { chain_id: chain_id.clone(), address }),
        revision: intent.revision.unsigned_abs(),
        confirmations: intent.confirmations.unwrap_or(0),
        required_confirmations: intent.required_confirmations,
        order_id: intent.order_id.map(|id| id.to_string()).unwrap_or_default(),
        chain_id,
    }
}

fn kind(kind: Kind) -> pb::IntentKind {
    match kind {
        Kind::CreateCollection => pb::IntentKind::CreateCollection,
        Kind::Mint721 => pb::IntentKind::Mint721,
        Kind::Mint1155 => pb::IntentKind::Mint1155,
        Kind::Approve => pb::IntentKind::Approve,
        Kind::List => pb::IntentKind::List,
        Kind::Buy => pb::IntentKind::Buy,
        Kind::CancelListing => pb::IntentKind::CancelListing,
        Kind::Offer => pb::IntentKind::Offer,
        Kind::AcceptOffer => pb::IntentKind::AcceptOffer,
        Kind::RevokeApproval => pb::IntentKind::RevokeApproval,
    }
}

fn status(status: Status) -> pb::IntentStatus {
    match status {
        Status::Prepared => pb::IntentStatus::Prepared,
        Status::Submitted => pb::IntentStatus::Submitted,
        Status::Mined => pb::IntentStatus::Mined,
        Status::Confirmed => pb::IntentStatus::Confirmed,
        Status::Ready => pb::IntentStatus::Ready,
        Status::Failed => pb::IntentStatus::Failed,
        Status::Replaced => pb::IntentStatus::Replaced,
        Status::Cancelled => pb::IntentStatus::Cancelled,
        Status::Dropped => pb::IntentStatus::Dropped,
        Status::Expired => pb::IntentStatus::Expired,
    }
}

pub(super) fn step(step: Step) -> pb::Step {
    let (kind, transaction, typed_data_json) = match step.act {
        Act::Send(sent) => (pb::StepKind::Transaction, Some(transaction(sent)), String::new()),
        Act::Sign(typed_data) => (pb::StepKind::Signature, None, typed_data.to_string()),
    };
    let (error_code, error_message) =
        step.problem.map(|problem| (problem.code, problem.message)).unwrap_or_default();
    pb::Step {
        step_id: step.step_id.to_string(),
        kind: kind.into(),
        title: step.title,
        description: step.description,
        transaction,
        typed_data_json,
        simulated: step.is_simulated,
        status: match step.status {
            StepStatus::Prepared => pb::StepStatus::Prepared,
            StepStatus::Submitted => pb::StepStatus::Submitted,
            StepStatus::Mined => pb::StepStatus::Mined,
            StepStatus::Done => pb::StepStatus::Done,
            StepStatus::Failed => pb::StepStatus::Failed,
        }
        .into(),
        tx_hash: step.tx_hash.map(|hash| hash.to_string()).unwrap_or_default(),
        error_code,
        error_message,
    }
}

fn transaction(sent: Transaction) -> pb::TxRequest {
    let Transaction { chain_id, from, to, data, value, gas, max_fee_per_gas, max_priority_fee_per_gas } =
        sent;
    pb::TxRequest {
        chain_id: chain_id.to_string(),
        from: from.to_lower(),
        to: to.to_lower(),
        data,
        value: value.to_string(),
        gas: gas.to_string(),
        max_fee_per_gas: max_fee_per_gas.to_string(),
        max_priority_fee_per_gas: max_priority_fee_per_gas.to_string(),
    }
}

pub(super) fn eligibility(found: Eligibility) -> pb::MintEligibility {
    let Eligibility { problem, offer, wallet_left, supply_left, balance, is_paused, next_stage_at, .. } =
        found;
    let or_empty = |number: Option<U256>| number.map(|number| number.to_string()).unwrap_or_default();
    let (reason_code, reason) = problem.map(|problem| (problem.code, problem.message)).unwrap_or_default();
    let mut told = pb::MintEligibility {
        eligible: reason_code.is_empty(),
        reason_code,
        reason,
        wallet_left: or_empty(wallet_left),
        supply_left: or_empty(supply_left),
        balance_raw: or_empty(balance),
        paused: is_paused,
        next_stage_time: next_stage_at.and_then(seconds),
        ..pb::MintEligibility::default()
    };
    if let Some(Offer { info, access }) = offer {
        told.stage_index = info.stageId.saturating_to();
        told.stage_kind = if info.kind == STAGE_ALLOWLIST { "allowlist" } else { "public" }.to_owned();
        told.price_raw = info.price.to_string();
        told.start_time = seconds(info.startsAt);
        told.end_time = Some(info.endsAt).filter(|end| *end != 0).and_then(seconds);
        if let Access::Listed(proof) = access {
            told.listed = true;
            told.proof = proof.into_iter().map(|node| node.to_vec()).collect();
        }
    }
    told
}

/// None for a time that no calendar has: a contract may hold any number.
fn seconds(at: u64) -> Option<Timestamp> {
    const LAST: i64 = 253_402_300_799;
    i64::try_from(at).ok().filter(|at| *at <= LAST).map(|seconds| Timestamp { seconds, nanos: 0 })
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: at.timestamp(), nanos: at.timestamp_subsec_nanos().cast_signed() }
}
