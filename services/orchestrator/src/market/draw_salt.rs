//! The salt of an order.

use alloy::primitives::{U256, keccak256};
use uuid::Uuid;

/// A number that nobody has used: two orders of one maker with the same words are two orders.
pub(crate) fn draw_salt() -> U256 {
    let halves = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes);
    U256::from_be_slice(keccak256(halves.as_flattened()).as_slice())
}
