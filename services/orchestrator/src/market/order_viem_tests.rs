//! What makers sign and call off is read by viem as it was meant.

use alloy::primitives::U256;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use super::{
    call_exchange::cancel,
    order::{message, signing_hash, typed_data},
    order_tests::terms,
};
use crate::decode_with_viem_tests::{Case, address, ask_viem, compare, number};
use ids::{Address, ChainId};

const COUNT: usize = 2000;

fn draw<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::default();
    (0..COUNT).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn viem_signs_the_hash_that_the_exchange_checks() {
    let drawn = draw((terms(), number(), number(), address(), 1_u64..));
    let line =
        |(terms, salt, counter, exchange, chain): (super::order::Terms, U256, U256, Address, u64)| -> Value {
            let components = terms.components(salt, counter);
            // JavaScript's numbers end here, and so do chain ids.
            let chain_id = ChainId::new(chain >> 11 | 1).unwrap();
            let typed = typed_data(&components, chain_id, exchange);
            json!({ "typedData": typed, "hash": signing_hash(&components, chain_id, exchange) })
        };
    ask_viem(drawn.into_iter().map(line));
}

#[test]
fn viem_reads_a_cancellation_as_the_order_that_it_calls_off() {
    let case = |(terms, salt, counter): (super::order::Terms, U256, U256)| {
        let components = terms.components(salt, counter);
        let arguments = json!([[message(&components)]]);
        Case { contract: "Seaport", function: "cancel", arguments, data: cancel(vec![components]) }
    };
    let cases: Vec<Case> = draw((terms(), number(), number())).into_iter().map(case).collect();
    compare(&cases);
}
