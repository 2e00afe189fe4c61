//! Facts about orders. The routing keys are fixed here; the facts join them with the market.

use ids::{Address, ChainId, OrderHash};

/// `{verb}.eip155.{n}` on `orders.events`, for `validated`, `fulfilled`, `cancelled`, `counter` and `payment`.
pub fn chain_key(verb: OrderVerb, chain_id: ChainId) -> String {
    format!("{}.{}", verb.as_str(), chain_id.routing_words())
}

/// `upserted.eip155.{n}.{contract}.{orderHash}` on `orders.domain`.
pub fn domain_key(chain_id: ChainId, contract: Address, order: OrderHash) -> String {
    format!("upserted.{}.{}.{order}", chain_id.routing_words(), contract.to_lower())
}

/// What a chain tells of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderVerb {
    /// Its maker validated it on the chain.
    Validated,
    /// It was filled, wholly or in part.
    Fulfilled,
    /// Its maker cancelled it.
    Cancelled,
    /// Its maker cancelled all older orders.
    Counter,
    /// The balance of an offer's maker changed.
    Payment,
}

impl OrderVerb {
    /// The first word of the key.
    pub const fn as_str(self) -> &'static str {
        match self {
            OrderVerb::Validated => "validated",
            OrderVerb::Fulfilled => "fulfilled",
            OrderVerb::Cancelled => "cancelled",
            OrderVerb::Counter => "counter",
            OrderVerb::Payment => "payment",
        }
    }
}
