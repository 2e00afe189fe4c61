//! The approvals that a payment in an ERC-20 needs before the exchange can take it.

use alloy::{eips::BlockId, rpc::types::TransactionRequest};
use amounts::U256;
use ids::Address;

use super::{
    call_exchange::approve_spending, describe::price_text, find_open_orders::sum_open_offers,
    read_chain::read_purse,
};
use crate::{
    chains::Chain,
    error::Error,
    prepare::{Tools, unreachable_node},
    read_token::{ANSWER_GAS, is_contracts_own},
    simulate::{Call, Planned},
};

/// None where the exchange may take enough. What the payer's open offers may take is added: the same allowance is all
/// that they have.
pub(crate) async fn plan_payment(
    tools: &Tools,
    chain: &Chain,
    (exchange, currency): (Address, Address),
    (payer, price): (Address, U256),
) -> Result<Vec<Planned>, Error> {
    let words = |amount: U256| price_text(chain, amount, Some(currency));
    let purse = read_purse(chain, currency, (payer, exchange)).await?;
    let purse = purse.ok_or_else(|| {
        Error::refused("ORDER_INVALID", format!("{currency} does not answer as an ERC-20 does"))
    })?;
    if purse.balance < price {
        let message = format!("{payer} has {}, and {} are needed", words(purse.balance), words(price));
        return Err(Error::refused("INSUFFICIENT_BALANCE", message));
    }
    let open = sum_open_offers(tools, chain, (exchange, currency), payer).await?;
    let needed = price.saturating_add(open);
    if purse.allowance >= needed {
        return Ok(Vec::new());
    }
    let approval = |amount: U256, title: &str, description: String| {
        approve_spending(payer, (exchange, currency), amount, (title, description))
    };
    let why = match open.is_zero() {
        true => String::new(),
        false => format!(": {} now, and {} for your open offers", words(price), words(open)),
    };
    let description = format!("Lets the exchange {exchange} take up to {} from you{why}.", words(needed));
    let direct = approval(needed, "Approve the payment", description);
    let mut calls = Vec::new();
    if !purse.allowance.is_zero() && !is_taken(chain, &direct).await? {
        let description = format!(
            "Takes back that the exchange {exchange} may take up to {} from you: this currency changes an approval \
             only by way of none.",
            words(purse.allowance)
        );
        calls.push(approval(U256::ZERO, "Take the old approval back", description));
    }
    calls.push(direct);
    Ok(calls.into_iter().map(Planned::Call).collect())
}

/// Whether a currency takes the call now.
async fn is_taken(chain: &Chain, call: &Call) -> Result<bool, Error> {
    let request = TransactionRequest::default()
        .from(call.from.into())
        .to(call.to.into())
        .gas_limit(ANSWER_GAS)
        .input(call.data.clone().into());
    match chain.node.call(&request, BlockId::latest(), None).await {
        Ok(_) => Ok(true),
        Err(err) if is_contracts_own(&err) => Ok(false),
        Err(err) => Err(unreachable_node(&err)),
    }
}
