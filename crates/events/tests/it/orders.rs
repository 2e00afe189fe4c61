//! What is told of orders.

use amounts::U256;
use events::{
    Block, ChainBatch, Fact,
    orders::{self, CounterIncremented, OrderCancelled, OrderFilled, OrderValidated, PaymentChanged},
};
use ids::{Address, Hash32};
use serde_json::json;

fn batch<E>() -> ChainBatch<E> {
    let block = Block {
        number: 5,
        hash: Hash32::new([1; 32]),
        parent_hash: Hash32::new([0; 32]),
        time: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let chain_id = "eip155:31337".parse().unwrap();
    ChainBatch { chain_id, block, generation: 1, removed: false, fork_block: None, events: Vec::new() }
}

#[test]
fn each_fact_has_its_key_and_its_type() {
    let messages = [
        (orders::validated(&batch(), 0), <ChainBatch<OrderValidated>>::TYPE, "validated"),
        (orders::fulfilled(&batch(), 0), <ChainBatch<OrderFilled>>::TYPE, "fulfilled"),
        (orders::cancelled(&batch(), 0), <ChainBatch<OrderCancelled>>::TYPE, "cancelled"),
        (orders::counter_incremented(&batch(), 0), <ChainBatch<CounterIncremented>>::TYPE, "counter"),
        (orders::payment_changed(&batch(), 0), <ChainBatch<PaymentChanged>>::TYPE, "payment"),
    ];
    let mut ids = std::collections::HashSet::new();
    for (message, kind, verb) in messages {
        assert_eq!(message.envelope.kind, kind);
        assert_eq!(kind, format!("vitrine.orders.{verb}.v1"));
        assert_eq!(message.routing_key, format!("{verb}.eip155.31337"));
        assert!(ids.insert(message.envelope.id.clone()), "{verb} has an id of its own");
    }
}

#[test]
fn fills_and_payments_say_by_a_word_what_they_are() {
    let hash = Hash32::new([7; 32]);
    let matched = OrderFilled::Matched { order_hashes: vec![hash] };
    let told = serde_json::to_value(&matched).unwrap();
    assert_eq!(told, json!({ "fill": "matched", "orderHashes": [hash.to_string()] }));
    assert_eq!(serde_json::from_value::<OrderFilled>(told).unwrap(), matched);

    let (owner, spender) = (Address::new([1; 20]), Address::new([2; 20]));
    let approved = PaymentChanged::Approved { owner, spender, amount: U256::MAX };
    let told = serde_json::to_value(&approved).unwrap();
    assert_eq!((&told["change"], &told["amount"]), (&json!("approved"), &json!(U256::MAX.to_string())));
    assert_eq!(serde_json::from_value::<PaymentChanged>(told).unwrap(), approved);
}
