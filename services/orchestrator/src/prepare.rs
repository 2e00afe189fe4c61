//! What all preparations share: the same request gives the same intent, the transaction is simulated and priced, and
//! the intent is stored with its step, its audit row and its fact in one transaction.

use alloy::rpc::types::TransactionRequest;
use chrono::TimeDelta;
use ids::{Address, IntentId, StepId, UserId};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    ask::{Violation, request_hash},
    chains::{Chain, Chains},
    change::write_first,
    error::Error,
    fees::with_margin,
    model::{Intent, Kind, PendingCollection, Status, Step, Transaction, now},
    peers::Peers,
    revert, store,
};

/// Who asks, and under which key.
pub(crate) struct Asker {
    pub(crate) user_id: UserId,
    pub(crate) session_id: Option<String>,
    pub(crate) request_id: String,
}

/// What a preparation needs.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) db: PgPool,
    pub(crate) chains: Chains,
    pub(crate) peers: Peers,
    pub(crate) statuses: store::Statuses,
    pub(crate) intent_ttl: TimeDelta,
    pub(crate) gas_margin_percent: u32,
}

/// An intent with what is to be signed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) intent: Intent,
    pub(crate) steps: Vec<Step>,
}

/// What was prepared under this key before. The same ask gets it again, another one is refused.
pub(crate) async fn find_prepared(
    db: &PgPool,
    asker: &Asker,
    hash: &[u8],
) -> Result<Option<Prepared>, Error> {
    let Some(intent) = store::find_by_request(db, asker.user_id, &asker.request_id).await? else {
        return Ok(None);
    };
    if intent.request_hash != hash {
        return Err(Error::RequestReused);
    }
    let steps = store::list_steps(db, intent.intent_id).await?;
    Ok(Some(Prepared { intent, steps }))
}

/// Fails with all that is wrong, if anything is.
pub(crate) fn require_valid(violations: Vec<Violation>) -> Result<(), Error> {
    if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
}

/// A transaction that would succeed now, with what it will cost.
pub(crate) async fn simulate(
    chain: &Chain,
    (from, to): (Address, Address),
    data: Vec<u8>,
    value: amounts::U256,
    gas_margin_percent: u32,
) -> Result<Transaction, Error> {
    let request =
        TransactionRequest::default().from(from.into()).to(to.into()).value(value).input(data.clone().into());
    let (gas, fees) = tokio::join!(chain.node.estimate_gas(&request), chain.node.fees());
    let gas = gas.map_err(|err| match &err {
        err if err.is_revert() => {
            Error::WillFail(revert::decode(err.revert_data()), err.revert_data().cloned())
        }
        evm::NodeError::Rpc { message, .. } if message.to_ascii_lowercase().contains("insufficient") => {
            let message = "the wallet's balance is too small".to_owned();
            Error::problem(crate::model::Problem { code: "TX_WILL_FAIL".to_owned(), message })
        }
        _ => unreachable_node(&err),
    })?;
    let (max_fee, max_priority_fee) = chain.gas_policy.price(fees.map_err(|err| unreachable_node(&err))?);
    Ok(Transaction {
        chain_id: chain.chain_id,
        from,
        to,
        data,
        value,
        gas: with_margin(gas, gas_margin_percent),
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: max_priority_fee,
    })
}

/// The chain gave no answer that could be used.
pub(crate) fn unreachable_node(err: &evm::NodeError) -> Error {
    tracing::warn!(error = %err, "the chain gave no answer");
    Error::Unavailable("the chain")
}

/// What an intent is about.
pub(crate) struct Subject {
    pub(crate) intent_id: IntentId,
    pub(crate) kind: Kind,
    pub(crate) from: Address,
    pub(crate) preview_address: Option<Address>,
    pub(crate) salt: Option<ids::Hash32>,
    pub(crate) contract: Option<Address>,
}

/// A fresh intent that waits for its signature.
pub(crate) fn draft(
    asker: &Asker,
    ask: &impl Serialize,
    chain: &Chain,
    subject: Subject,
    ttl: TimeDelta,
) -> Intent {
    let now = now();
    Intent {
        intent_id: subject.intent_id,
        kind: subject.kind,
        chain_id: chain.chain_id,
        created_by: asker.user_id,
        session_id: asker.session_id.clone(),
        from: subject.from,
        preview_address: subject.preview_address,
        salt: subject.salt,
        request_id: asker.request_id.clone(),
        request_hash: request_hash(ask),
        payload: serde_json::to_value(ask).unwrap_or(Value::Null),
        required_confirmations: chain.confirmations,
        deadline_at: now + ttl,
        created_at: now,
        updated_at: now,
        revision: 1,
        status: Status::Prepared,
        tx_hash: None,
        problem: None,
        contract: subject.contract,
        token_ids: Vec::new(),
        confirmations: None,
        block: None,
        unseen_since: None,
        catalogued_at: None,
        pending: PendingCollection::None,
    }
}

/// A step that is one transaction.
pub(crate) fn step(title: String, description: String, transaction: Transaction) -> Step {
    Step { step_id: StepId::new(), title, description, transaction, is_simulated: true }
}

/// Stores the intent, or answers with the one that another call stored under the same key meanwhile.
pub(crate) async fn store_prepared(
    tools: &Tools,
    asker: &Asker,
    prepared: Prepared,
) -> Result<Prepared, Error> {
    let mut tx = tools.db.begin().await?;
    if !store::insert_intent(&mut tx, &prepared.intent).await? {
        tx.rollback().await?;
        let winner = find_prepared(&tools.db, asker, &prepared.intent.request_hash).await?;
        return winner.ok_or(Error::Conflict("the request id was taken meanwhile".to_owned()));
    }
    for (position, step) in (0..).zip(&prepared.steps) {
        store::insert_step(&mut tx, prepared.intent.intent_id, position, step).await?;
    }
    write_first(&mut tx, &prepared.intent).await?;
    launch::failpoint("orch.intent_inserted");
    tx.commit().await?;
    tools.statuses.put(&prepared.intent);
    tools.peers.note_intent(&prepared.intent).await;
    Ok(prepared)
}
