//! The catalog's orders as the real catalog keeps them: its rules for words on one order, held to the same vectors.

use std::{collections::BTreeMap, sync::Mutex};

use proto::catalog::v1::{ListOrdersRequest, ListOrdersResponse, Order, OrderSide, OrderStatus};
use tonic::Status;

/// By id.
pub(crate) type Orders = Mutex<BTreeMap<String, Order>>;

/// The word of the newer block holds, of two of one block the later.
fn then(kept: Order, told: &Order) -> Order {
    if told.as_of_block < kept.as_of_block {
        return kept;
    }
    let (status, as_of_block) = (told.status, told.as_of_block);
    Order { status, quantity_filled: told.quantity_filled.clone(), as_of_block, ..kept }
}

/// Stores an order, or what is told of it.
pub(crate) fn put(orders: &Orders, mut told: Order) -> Result<Order, Status> {
    let chain_id = told.chain_id.parse().unwrap();
    let (exchange, order_hash) = (told.exchange.parse().unwrap(), told.order_hash.parse().unwrap());
    told.id = ids::order_row(chain_id, exchange, order_hash).to_string();
    let mut orders = orders.lock().unwrap();
    let order = match orders.get(&told.id).cloned() {
        None => told,
        Some(kept) if kept.components_json != told.components_json => {
            return Err(Status::failed_precondition("an order of this hash is stored with other contents"));
        }
        Some(kept) => then(kept, &told),
    };
    orders.insert(order.id.clone(), order.clone());
    Ok(order)
}

/// The first page of a list.
pub(crate) fn list(orders: &Orders, ask: &ListOrdersRequest) -> ListOrdersResponse {
    let now = chrono::Utc::now().timestamp();
    let status = |order: &Order| match order.status() {
        OrderStatus::Active | OrderStatus::Inactive if order.end_time.unwrap().seconds <= now => {
            OrderStatus::Expired
        }
        status => status,
    };
    let is_meant = |order: &&Order| {
        (ask.side() == OrderSide::Unspecified || order.side() == ask.side())
            && (ask.statuses.is_empty() || ask.statuses().any(|wanted| wanted == status(order)))
            && (ask.maker.is_empty() || order.maker == ask.maker)
            && (ask.contract.is_none() || order.contract == ask.contract)
            && (ask.token_id.is_empty() || order.token_id == ask.token_id)
    };
    let orders = orders.lock().unwrap();
    let mut found: Vec<Order> = orders.values().filter(is_meant).cloned().collect();
    let most = usize::try_from(ask.page_size).unwrap();
    let has_next = found.len() > most;
    found.truncate(most);
    ListOrdersResponse { cursors: vec![String::new(); found.len()], orders: found, has_next }
}

#[test]
fn the_stand_in_keeps_the_catalogs_rule() {
    let words = include_str!("../../../catalog/tests/vectors/order_words.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(words).unwrap();
    for case in cases {
        let said = |word: &serde_json::Value| {
            let status = format!("ORDER_STATUS_{}", word["status"].as_str().unwrap());
            let filled = word["filled"].as_str().unwrap().to_owned();
            (OrderStatus::from_str_name(&status).unwrap(), filled, word["as_of_block"].as_u64().unwrap())
        };
        let orders = Orders::default();
        let mut now = Order::default();
        for word in case["words"].as_array().unwrap() {
            let (status, quantity_filled, as_of_block) = said(word);
            let order = Order {
                chain_id: "eip155:1".into(),
                exchange: format!("{:#042x}", 1),
                order_hash: format!("{:#066x}", 1),
                status: status.into(),
                quantity_filled,
                as_of_block,
                ..Order::default()
            };
            now = put(&orders, order).unwrap();
        }
        assert_eq!(
            (now.status(), now.quantity_filled, now.as_of_block),
            said(&case["then"]),
            "{}",
            case["name"]
        );
    }
}
