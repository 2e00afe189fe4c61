//! From what the verbs give to the wire.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::{
    common::v1::{ContractRef, TokenRef},
    orchestrator::v1 as pb,
};

use crate::{
    model::{Intent, Kind, Status, Step, Transaction},
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
        chain_id,
    }
}

fn kind(kind: Kind) -> pb::IntentKind {
    match kind {
        Kind::CreateCollection => pb::IntentKind::CreateCollection,
        Kind::Mint721 => pb::IntentKind::Mint721,
        Kind::Mint1155 => pb::IntentKind::Mint1155,
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

fn step(step: Step) -> pb::Step {
    let Transaction { chain_id, from, to, data, value, gas, max_fee_per_gas, max_priority_fee_per_gas } =
        step.transaction;
    pb::Step {
        step_id: step.step_id.to_string(),
        kind: pb::StepKind::Transaction.into(),
        title: step.title,
        description: step.description,
        transaction: Some(pb::TxRequest {
            chain_id: chain_id.to_string(),
            from: from.to_lower(),
            to: to.to_lower(),
            data,
            value: value.to_string(),
            gas: gas.to_string(),
            max_fee_per_gas: max_fee_per_gas.to_string(),
            max_priority_fee_per_gas: max_priority_fee_per_gas.to_string(),
        }),
        typed_data_json: String::new(),
        simulated: step.is_simulated,
    }
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: at.timestamp(), nanos: at.timestamp_subsec_nanos().cast_signed() }
}
