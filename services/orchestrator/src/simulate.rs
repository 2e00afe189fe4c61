//! From the calls that somebody is about to sign to the steps that are stored: tried one after the other, and priced.

use alloy::{
    eips::BlockId,
    primitives::{U64, U256, utils::format_ether},
    rpc::types::TransactionRequest,
};
use evm::{Node, NodeError, Simulated};
use ids::{Address, StepId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    chains::Chain,
    error::Error,
    fees::{Fees, with_margin},
    model::{Act, Step, StepStatus, Transaction},
    prepare::{Tools, unreachable_node},
    read_token::is_contract,
    revert,
};

/// No transaction uses less.
const GAS_MIN: u64 = 21_000;
/// What chains since EIP-7825 let one transaction use. A margin alone never leads beyond it.
const GAS_OF_ONE_MAX: u64 = 1 << 24;
/// For a call that could not be tried: what the costliest calls that are prepared here use, twice.
const GAS_UNTRIED: u64 = 800_000;

/// A call before it is tried and priced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) data: Vec<u8>,
    pub(crate) value: U256,
}

/// What a step will ask of the wallet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Planned {
    Call(Call),
    Signature { title: String, description: String, typed_data: Value },
}

/// What a call takes, and whether that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gas {
    /// What was found to be enough; with a margin it is the limit.
    needed: u64,
    limit: u64,
    is_simulated: bool,
}

impl Gas {
    fn of(needed: u64, margin: u32) -> Gas {
        let needed = needed.max(GAS_MIN);
        Gas { needed, limit: with_margin(needed, margin), is_simulated: true }
    }
}

const UNTRIED: Gas = Gas { needed: GAS_MIN, limit: GAS_UNTRIED, is_simulated: false };

/// Tries the calls in order, each on the state that the ones before it leave, and prices them. The first that reverts
/// is a problem with its reason, and so is a wallet that cannot pay. A node that cannot try several calls in a row
/// tries the first; the others are marked as not simulated.
pub(crate) async fn plan(tools: &Tools, chain: &Chain, planned: Vec<Planned>) -> Result<Vec<Step>, Error> {
    let calls: Vec<&Call> = planned.iter().filter_map(Planned::call).collect();
    let (gas, fees) = match calls.first().map(|call| call.from) {
        None => (Vec::new(), Fees::default()),
        Some(payer) => {
            let (fees, balance, block, gas, is_contract) = tokio::join!(
                tools.peers.suggest_fees(chain.chain_id),
                chain.node.balance(payer.into(), BlockId::latest()),
                chain.node.request::<Option<Limited>>("eth_getBlockByNumber", json!(["latest", false])),
                try_calls(&chain.node, &calls, tools.gas_margin_percent),
                is_contract(&chain.node, payer.into()),
            );
            let fees = fees?;
            let balance = balance.map_err(|err| unreachable_node(&err))?;
            let value = calls.iter().fold(U256::ZERO, |sum, call| sum.saturating_add(call.value));
            // A node tells of a value that is not there in words of its own; these are ours, and the amounts exact.
            require_balance(balance, value, U256::ZERO)?;
            let limit =
                block.map_err(|err| unreachable_node(&err))?.map_or(u64::MAX, |block| block.gas_limit.to());
            let gas = within_block(gas?, limit)?;
            let most = gas.iter().fold(0_u64, |sum, gas| sum.saturating_add(gas.limit));
            // A contract account has others send what it does, and pay for it.
            let for_gas = match is_contract.map_err(|err| unreachable_node(&err))? {
                true => U256::ZERO,
                false => U256::from(most).saturating_mul(fees.max_fee),
            };
            require_balance(balance, value, for_gas)?;
            (gas, fees)
        }
    };
    let mut gas = gas.into_iter();
    Ok(planned.into_iter().map(|planned| step(chain, planned, fees, &mut gas)).collect())
}

impl Planned {
    fn call(&self) -> Option<&Call> {
        match self {
            Planned::Call(call) => Some(call),
            Planned::Signature { .. } => None,
        }
    }
}

fn step(chain: &Chain, planned: Planned, fees: Fees, gas: &mut impl Iterator<Item = Gas>) -> Step {
    let (title, description, act, is_simulated) = match planned {
        Planned::Call(Call { title, description, from, to, data, value }) => {
            let gas = gas.next().unwrap_or(UNTRIED);
            let transaction = Transaction {
                chain_id: chain.chain_id,
                from,
                to,
                data,
                value,
                gas: U256::from(gas.limit),
                max_fee_per_gas: fees.max_fee,
                max_priority_fee_per_gas: fees.priority_fee,
            };
            (title, description, Act::Send(transaction), gas.is_simulated)
        }
        Planned::Signature { title, description, typed_data } => {
            (title, description, Act::Sign(typed_data), false)
        }
    };
    let status = StepStatus::Prepared;
    Step {
        step_id: StepId::new(),
        title,
        description,
        act,
        is_simulated,
        status,
        tx_hash: None,
        problem: None,
        signature: None,
    }
}

/// What each call takes. The first is estimated, which is exact; of later ones the node tells what they used.
async fn try_calls(node: &Node, calls: &[&Call], margin: u32) -> Result<Vec<Gas>, Error> {
    let requests: Vec<TransactionRequest> = calls.iter().map(|call| request(call)).collect();
    let Some(first) = requests.first() else { return Ok(Vec::new()) };
    if requests.len() == 1 {
        return Ok(vec![Gas::of(estimate(node, first).await?, margin)]);
    }
    let (first, all) = tokio::join!(estimate(node, first), node.simulate(&requests, BlockId::latest()));
    let mut gas = vec![Gas::of(first?, margin)];
    gas.extend(later_gas(all, requests.len() - 1, margin)?);
    Ok(gas)
}

/// What a call takes. One that fails on the newest block is tried on the one that comes, where the node makes one: an idle
/// chain's newest block is old, and what begins by the clock has not begun there.
async fn estimate(node: &Node, request: &TransactionRequest) -> Result<u64, Error> {
    let failed = match node.estimate_gas(request).await {
        Ok(gas) => return Ok(gas),
        Err(err) if err.is_revert() || err.is_halt() => err,
        Err(err) => return Err(why_it_fails(&err)),
    };
    match node.request::<U64>("eth_estimateGas", json!([request, "pending"])).await {
        Ok(gas) => Ok(gas.to()),
        Err(err) if err.is_revert() || err.is_halt() => Err(why_it_fails(&err)),
        Err(_) => Err(why_it_fails(&failed)),
    }
}

/// What each call after the first takes.
fn later_gas(
    simulated: Result<Vec<Simulated>, NodeError>,
    count: usize,
    margin: u32,
) -> Result<Vec<Gas>, Error> {
    let simulated = match simulated {
        Ok(simulated) => simulated,
        Err(err @ NodeError::Rpc { .. }) => {
            let is_unsupported = err.is_unsupported();
            tracing::warn!(is_unsupported, error = %err, "later calls could not be tried");
            return Ok(vec![UNTRIED; count]);
        }
        Err(err) => return Err(unreachable_node(&err)),
    };
    let later = simulated.into_iter().skip(1).map(|tried| match tried.is_success {
        // What is used is told after refunds, which give back a fifth at most.
        true => Ok(Gas::of(tried.gas_used.saturating_add(tried.gas_used / 4), margin)),
        false => {
            let mut problem = revert::decode(tried.revert_data.as_ref());
            if let (None, Some(message)) = (&tried.revert_data, &tried.message) {
                problem.message = revert::plain(message);
            }
            Err(Error::WillFail(problem, tried.revert_data))
        }
    });
    later.collect()
}

fn request(call: &Call) -> TransactionRequest {
    TransactionRequest::default()
        .from(call.from.into())
        .to(call.to.into())
        .value(call.value)
        .input(call.data.clone().into())
}

fn why_it_fails(err: &NodeError) -> Error {
    match err {
        err if err.is_revert() => {
            Error::WillFail(revert::decode(err.revert_data()), err.revert_data().cloned())
        }
        NodeError::Rpc { message, .. } if message.to_ascii_lowercase().contains("insufficient") => {
            Error::refused("INSUFFICIENT_BALANCE", "the wallet's balance is too small")
        }
        // A node that tried the call and found no gas limit that is enough.
        NodeError::Rpc { message, .. } if message.to_ascii_lowercase().contains("gas required exceeds") => {
            Error::refused("TX_WILL_FAIL", "the call needs more gas than a block holds")
        }
        // The machine itself ended it: a wrong opcode, a wrong jump.
        NodeError::Rpc { message, .. } if err.is_halt() => {
            let message = format!("the contract fails: {}", revert::plain(message));
            Error::refused("TX_WILL_FAIL", message)
        }
        err => unreachable_node(err),
    }
}

/// Fails with both amounts where the wallet cannot pay. Rollups of the OP Stack (`l1DataFee` among the registry's features)
/// charge for a transaction's data on top of its gas, an amount that only its signed bytes decide; it is not in this sum,
/// and a wallet that has not a wei more may still be refused by the network.
fn require_balance(balance: U256, value: U256, for_gas: U256) -> Result<(), Error> {
    let needed = value.saturating_add(for_gas);
    if balance >= needed {
        return Ok(());
    }
    let (has, needed) = (ether(balance), ether(needed));
    let parts = match for_gas.is_zero() {
        true => "and gas on top".to_owned(),
        false => format!("{} to pay and at most {} for gas", ether(value), ether(for_gas)),
    };
    let message =
        format!("the wallet holds {has} of the chain's native currency and needs {needed}: {parts}");
    Err(Error::refused("INSUFFICIENT_BALANCE", message))
}

/// The margins, as far as the block that holds the transaction leaves room for them. A call that does not fit even
/// without one is told.
fn within_block(gas: Vec<Gas>, block: u64) -> Result<Vec<Gas>, Error> {
    let fit = |gas: Gas| {
        if gas.needed > block {
            let message = format!("the call needs {} gas, and a block holds {block}", gas.needed);
            return Err(Error::refused("TX_WILL_FAIL", message));
        }
        let most = if gas.needed <= GAS_OF_ONE_MAX { block.min(GAS_OF_ONE_MAX) } else { block };
        Ok(Gas { limit: gas.limit.min(most), ..gas })
    };
    gas.into_iter().map(fit).collect()
}

/// Wei as a decimal number of whole coins, exact.
pub(crate) fn ether(wei: U256) -> String {
    let text = format_ether(wei);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limited {
    gas_limit: U64,
}

#[cfg(test)]
#[path = "simulate_tests.rs"]
mod tests;
