//! The steps of an intent: transactions and signatures, named as viem names them, and where each is.

use async_graphql::{Enum, ID, Json, Result, SimpleObject};
use proto::orchestrator::v1 as pb;

use super::{
    intent::IntentProblem,
    scalar::{Address, BigInt, ChainId, ChainNumber, Hex, ours, ours_or_none, text},
};

/// One transaction or signature.
#[derive(SimpleObject)]
pub(crate) struct TxStep {
    id: ID,
    kind: TxStepKind,
    title: String,
    description: String,
    /// What to send, for a transaction.
    transaction: Option<TransactionRequest>,
    /// What to sign, for a signature: EIP-712, as `signTypedData` and `eth_signTypedData_v4` take it.
    typed_data: Option<Json<serde_json::Value>>,
    /// Whether it was tried on the state that the steps before it leave.
    simulated: bool,
    /// Where it is.
    status: TxStepStatus,
    /// The transaction that carries it, once one is known.
    tx_hash: Option<Hex>,
    /// Why it failed.
    problem: Option<IntentProblem>,
}

/// What a step asks of the wallet.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TxStepKind {
    Transaction,
    Signature,
}

/// Where a step is. The last one ends the intent; those before it only clear its way.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TxStepStatus {
    /// Waiting for the wallet.
    Prepared,
    /// Sent or signed, and not yet in a block or stored.
    Submitted,
    /// In a block.
    Mined,
    /// Nothing is left to do for it.
    Done,
    /// It did not work; another transaction may be tried.
    Failed,
}

/// An unsigned EIP-1559 transaction, named as viem names it. Amounts are strings: wrap them in `BigInt()`.
#[derive(SimpleObject)]
pub(crate) struct TransactionRequest {
    chain: ChainId,
    chain_id: ChainNumber,
    from: Address,
    to: Address,
    data: Hex,
    value: BigInt,
    gas: Option<BigInt>,
    max_fee_per_gas: Option<BigInt>,
    max_priority_fee_per_gas: Option<BigInt>,
}

/// The steps as the API shows them.
pub(crate) fn steps(steps: Vec<pb::Step>) -> Result<Vec<TxStep>> {
    steps.into_iter().map(step).collect()
}

fn step(step: pb::Step) -> Result<TxStep> {
    Ok(TxStep {
        id: ID(step.step_id.clone()),
        kind: match step.kind() {
            pb::StepKind::Signature => TxStepKind::Signature,
            _ => TxStepKind::Transaction,
        },
        status: match step.status() {
            pb::StepStatus::Prepared | pb::StepStatus::Unspecified => TxStepStatus::Prepared,
            pb::StepStatus::Submitted => TxStepStatus::Submitted,
            pb::StepStatus::Mined => TxStepStatus::Mined,
            pb::StepStatus::Done => TxStepStatus::Done,
            pb::StepStatus::Failed => TxStepStatus::Failed,
        },
        transaction: step.transaction.as_ref().map(transaction).transpose()?,
        typed_data: text(&step.typed_data_json).map(|json| ours(&json).map(Json)).transpose()?,
        simulated: step.simulated,
        tx_hash: ours_or_none(&step.tx_hash)?,
        problem: IntentProblem::of_wire(&step.error_code, &step.error_message),
        title: step.title,
        description: step.description,
    })
}

fn transaction(transaction: &pb::TxRequest) -> Result<TransactionRequest> {
    let chain: ChainId = ours(&transaction.chain_id)?;
    Ok(TransactionRequest {
        chain,
        chain_id: ChainNumber(chain.0.number()),
        from: ours(&transaction.from)?,
        to: ours(&transaction.to)?,
        data: Hex(transaction.data.clone()),
        value: ours(&transaction.value)?,
        gas: ours_or_none(&transaction.gas)?,
        max_fee_per_gas: ours_or_none(&transaction.max_fee_per_gas)?,
        max_priority_fee_per_gas: ours_or_none(&transaction.max_priority_fee_per_gas)?,
    })
}
