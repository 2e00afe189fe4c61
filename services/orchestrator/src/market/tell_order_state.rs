//! Tells the catalog what the chain says of an order, as deep as the chain asks for; also where that takes back what was
//! told before.

use alloy::eips::BlockId;
use proto::catalog::v1 as pb;

use super::{
    read_chain::read_counter_at,
    read_order::{parse_order, read_on_chain_at},
};
use crate::{
    chains::Chain,
    error::Error,
    model::{Intent, Status},
    peers::Peers,
    prepare::unreachable_node,
};

/// Says nothing of an intent that is about no order. Saying it again is saying it once.
pub(crate) async fn tell_order_state(peers: &Peers, chain: &Chain, intent: &Intent) -> Result<(), Error> {
    let Some(order_id) = intent.order_id else { return Ok(()) };
    let order = peers.get_order(order_id).await?;
    let unreadable = || Error::refused("ORDER_INVALID", "the order is not one that was made here");
    let (components, terms, hash) = parse_order(&order).ok_or_else(unreadable)?;
    let exchange = order.exchange.parse().map_err(|_| unreadable())?;
    let head = chain.node.block_number().await.map_err(|err| unreachable_node(&err))?;
    let confirmed = head.saturating_sub(u64::from(intent.required_confirmations.saturating_sub(1)));
    if intent.status == Status::Ready && intent.block.is_some_and(|(number, _)| number > confirmed) {
        // This node has not come to what another one has shown.
        return Err(Error::Unavailable("the chain"));
    }
    let block = BlockId::number(confirmed);
    let (on_chain, counter) = tokio::try_join!(
        read_on_chain_at(chain, exchange, (hash, terms.quantity), block),
        read_counter_at(chain, exchange, terms.maker, block),
    )?;
    let status = match on_chain.filled {
        filled if filled >= terms.quantity => pb::OrderStatus::Filled,
        _ if on_chain.is_cancelled || counter != components.counter => pb::OrderStatus::Cancelled,
        _ => pb::OrderStatus::Active,
    };
    let told = pb::Order {
        status: status.into(),
        quantity_filled: on_chain.filled.to_string(),
        as_of_block: confirmed,
        ..order
    };
    let kept = peers.put_order(told).await?;
    // What was told of a chain that is not this one any more holds until this one is as high.
    if kept.as_of_block > confirmed { Err(Error::Unavailable("a newer block")) } else { Ok(()) }
}
