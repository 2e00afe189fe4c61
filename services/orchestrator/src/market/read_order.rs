//! An order as it stands: what its maker signed, as the catalog keeps it, and what the chain says of it now.

use std::sync::Arc;

use abi::seaport::{OrderComponents, Seaport::getOrderStatusCall};
use alloy::eips::BlockId;
use amounts::U256;
use ids::{Address, OrderHash};
use proto::catalog::v1 as pb;
use serde_json::Value;
use uuid::Uuid;

use super::{
    order::{Terms, order_hash, parse_message},
    read_chain::{Times, read_counter, read_times},
    require_exchange::require_exchange,
};
use crate::{
    chains::Chain,
    error::Error,
    prepare::Tools,
    read_token::{ANSWER_GAS, ask_at},
};

/// An order that somebody made here.
pub(crate) struct Stored {
    pub(crate) chain: Arc<Chain>,
    pub(crate) exchange: Address,
    pub(crate) components: OrderComponents,
    pub(crate) terms: Terms,
    pub(crate) hash: OrderHash,
    pub(crate) signature: Vec<u8>,
}

/// What the exchange knows of an order.
pub(crate) struct OnChain {
    pub(crate) is_cancelled: bool,
    /// How many of the tokens are gone.
    pub(crate) filled: U256,
}

/// The order with this id, which is to be filled. What the catalog says of it beside what was signed is not relied on.
pub(crate) async fn read_order(tools: &Tools, order_id: Uuid) -> Result<Stored, Error> {
    let order = read_any_order(tools, order_id).await?;
    if !order.chain.is_enabled {
        return Err(Error::ChainDisabled);
    }
    if order.exchange != require_exchange(tools, &order.chain).await? {
        return Err(Error::refused(
            "ORDER_INVALID",
            "the order is for an exchange that is not used any more",
        ));
    }
    Ok(order)
}

/// The same of an order that is to be called off: that stays possible where nothing new may be begun, and at an exchange
/// that was replaced.
pub(crate) async fn read_any_order(tools: &Tools, order_id: Uuid) -> Result<Stored, Error> {
    let order = tools.peers.get_order(order_id).await?;
    let unreadable = || Error::refused("ORDER_INVALID", "the order is not one that was made here");
    let chain_id = order.chain_id.parse().map_err(|_| unreadable())?;
    let exchange = order.exchange.parse().map_err(|_| unreadable())?;
    let (components, terms, hash) = parse_order(&order).ok_or_else(unreadable)?;
    let chain = tools.chains.get(chain_id).await?;
    Ok(Stored { chain, exchange, components, terms, hash, signature: order.signature })
}

/// What was signed; None where it is not what the hash names.
pub(crate) fn parse_order(order: &pb::Order) -> Option<(OrderComponents, Terms, OrderHash)> {
    let message: Value = serde_json::from_str(&order.components_json).ok()?;
    let components = parse_message(&message)?;
    let (terms, hash) = (Terms::of(&components)?, order_hash(&components));
    (hash.to_string() == order.order_hash).then_some((components, terms, hash))
}

/// What the exchange says of an order of so many tokens.
pub(crate) async fn read_on_chain(
    chain: &Chain,
    exchange: Address,
    order: (OrderHash, U256),
) -> Result<OnChain, Error> {
    read_on_chain_at(chain, exchange, order, BlockId::latest()).await
}

/// What it said at a block.
pub(crate) async fn read_on_chain_at(
    chain: &Chain,
    exchange: Address,
    (hash, quantity): (OrderHash, U256),
    block: BlockId,
) -> Result<OnChain, Error> {
    let call = getOrderStatusCall { orderHash: hash.into() };
    let status = ask_at(chain, exchange, call, (ANSWER_GAS, block)).await?;
    let no_exchange = || Error::ContractUnknown(format!("{exchange} does not answer as an exchange does"));
    let status = status.ok_or_else(no_exchange)?;
    // Seaport keeps a fraction, both parts of at most 120 bits.
    let filled = quantity.saturating_mul(status.totalFilled).checked_div(status.totalSize);
    Ok(OnChain { is_cancelled: status.isCancelled, filled: filled.unwrap_or_default() })
}

/// How many of the tokens are left to trade now, at least one; else why not.
pub(crate) async fn require_open(order: &Stored) -> Result<U256, Error> {
    let (left, times) = require_alive(order).await?;
    if times.latest() < order.terms.starts_at {
        return Err(Error::refused("ORDER_INVALID", "the order is not open yet"));
    }
    Ok(left)
}

/// The same of an order that may open later.
pub(crate) async fn require_alive(order: &Stored) -> Result<(U256, Times), Error> {
    let Stored { chain, exchange, components, terms, hash, .. } = order;
    let (on_chain, counter, times) = tokio::try_join!(
        read_on_chain(chain, *exchange, (*hash, terms.quantity)),
        read_counter(chain, *exchange, terms.maker),
        read_times(chain),
    )?;
    if on_chain.is_cancelled || counter != components.counter {
        return Err(Error::refused("ORDER_CANCELLED", "the order's maker has cancelled it"));
    }
    let left = terms.quantity.saturating_sub(on_chain.filled);
    if left.is_zero() {
        return Err(Error::refused("ORDER_FILLED", "the order is filled"));
    }
    if times.latest() >= terms.ends_at {
        return Err(Error::refused("ORDER_EXPIRED", "the order is over"));
    }
    Ok((left, times))
}

/// So many of what is left: all of it where nothing is said.
pub(crate) fn take(terms: &Terms, left: U256, asked: Option<U256>) -> Result<U256, Error> {
    let quantity = asked.unwrap_or(left);
    if quantity > left {
        return Err(Error::refused("ORDER_FILLED", format!("{left} of {} are left", terms.quantity)));
    }
    if terms.taker.is_some() && quantity != terms.quantity {
        return Err(Error::refused("ORDER_INVALID", "the order is filled whole or not at all"));
    }
    Ok(quantity)
}
