//! What happens to orders, as Seaport 1.5 and 1.6 tell it in the same words.

use abi::{seaport::item, topics};
use alloy_primitives::B256;
use events::orders::{CounterIncremented, OrderCancelled, OrderFilled, OrderItem, OrderValidated};
use ids::TokenId;

use super::{
    Fact, Facts, Known, MOST_ITEMS, Malformed, one,
    words::{Words, address, indexed},
};
use crate::model::Log;

/// Seaport's `OrderType.CONTRACT`, the last one.
const LAST_ORDER_TYPE: u8 = 4;

pub(super) fn of_exchange(topic: B256, log: &Log) -> Known {
    Some(match topic {
        topics::ORDER_FULFILLED => ("OrderFulfilled", fulfilled(log)),
        topics::ORDER_VALIDATED => ("OrderValidated", validated(log)),
        topics::ORDER_CANCELLED => ("OrderCancelled", cancelled(log)),
        topics::COUNTER_INCREMENTED => ("CounterIncremented", counter_incremented(log)),
        topics::ORDERS_MATCHED => ("OrdersMatched", matched(log)),
        _ => return None,
    })
}

/// How the items of an array are written.
#[derive(Clone, Copy)]
struct Shape {
    words: usize,
    /// Where the amount at the order's end is, if it has one.
    end_amount: Option<usize>,
    recipient: Option<usize>,
}

const SPENT: Shape = Shape { words: 4, end_amount: None, recipient: None };
const RECEIVED: Shape = Shape { words: 5, end_amount: None, recipient: Some(4) };
const OFFERED: Shape = Shape { words: 5, end_amount: Some(4), recipient: None };
const CONSIDERED: Shape = Shape { words: 6, end_amount: Some(4), recipient: Some(5) };

fn items(of: Words<'_>, index: usize, shape: Shape) -> Result<Vec<OrderItem>, Malformed> {
    of.items(index, shape.words, MOST_ITEMS)?.map(|item| read_item(item, shape)).collect()
}

fn read_item(of: Words<'_>, shape: Shape) -> Result<OrderItem, Malformed> {
    let amount = of.number(3)?;
    Ok(OrderItem {
        item_type: Some(of.small(0)?).filter(|kind| *kind <= item::ERC1155_WITH_CRITERIA).ok_or(Malformed)?,
        token: of.address(1)?,
        identifier: TokenId::new(of.number(2)?),
        amount,
        end_amount: shape.end_amount.map(|at| of.number(at)).transpose()?.filter(|end| *end != amount),
        recipient: shape.recipient.map(|at| of.address(at)).transpose()?,
    })
}

fn fulfilled(log: &Log) -> Facts {
    let [offerer, zone] = indexed::<2>(log)?;
    let data = Words::of(&log.data);
    Ok(one(Fact::OrderFilled(OrderFilled::Fulfilled {
        order_hash: data.hash(0)?,
        offerer: address(offerer)?,
        zone: address(zone)?,
        recipient: data.address(1)?,
        offer: items(data, 2, SPENT)?,
        consideration: items(data, 3, RECEIVED)?,
    })))
}

fn validated(log: &Log) -> Facts {
    let [] = indexed::<0>(log)?;
    let data = Words::of(&log.data);
    let order = data.tuple(1)?;
    Ok(one(Fact::OrderValidated(OrderValidated {
        order_hash: data.hash(0)?,
        offerer: order.address(0)?,
        zone: order.address(1)?,
        offer: items(order, 2, OFFERED)?,
        consideration: items(order, 3, CONSIDERED)?,
        order_type: Some(order.small(4)?).filter(|kind| *kind <= LAST_ORDER_TYPE).ok_or(Malformed)?,
        starts_at: order.number(5)?,
        ends_at: order.number(6)?,
        zone_hash: order.hash(7)?,
        salt: order.number(8)?,
        conduit_key: order.hash(9)?,
    })))
}

fn cancelled(log: &Log) -> Facts {
    let [offerer, zone] = indexed::<2>(log)?;
    Ok(one(Fact::OrderCancelled(OrderCancelled {
        order_hash: Words::of(&log.data).hash(0)?,
        offerer: address(offerer)?,
        zone: address(zone)?,
    })))
}

fn counter_incremented(log: &Log) -> Facts {
    let [offerer] = indexed::<1>(log)?;
    let new_counter = Words::of(&log.data).number(0)?;
    Ok(one(Fact::CounterIncremented(CounterIncremented { offerer: address(offerer)?, new_counter })))
}

fn matched(log: &Log) -> Facts {
    let [] = indexed::<0>(log)?;
    let hashes = Words::of(&log.data).items(0, 1, MOST_ITEMS)?;
    let order_hashes: Result<Vec<_>, Malformed> = hashes.map(|hash| hash.hash(0)).collect();
    Ok(one(Fact::OrderFilled(OrderFilled::Matched { order_hashes: order_hashes? })))
}
