//! Facts about orders: what an exchange's logs say of them, and what becomes of the money that offers are made in.

use amounts::U256;
use ids::{Address, ChainId, Hash32, OrderHash, TokenId};
use serde::{Deserialize, Serialize};

use crate::{ChainBatch, Fact, Message, chain::batch_id, exchange};

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

/// One side of an order, item by item, as Seaport has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// 0 native, 1 ERC-20, 2 ERC-721, 3 ERC-1155, 4 and 5 the last two by criteria.
    pub item_type: u8,
    /// The token's contract; zero for the native currency.
    pub token: Address,
    /// Which token, or the root of those that will do; 0 for all.
    pub identifier: TokenId,
    /// How many; at the order's start where it changes with time.
    #[serde(with = "amounts::decimal")]
    pub amount: U256,
    /// How many at the order's end, where that is another number.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "amounts::maybe_decimal")]
    pub end_amount: Option<U256>,
    /// Who gets it; absent for what the maker gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Address>,
}

/// `validated.eip155.{n}`: an order that was shown to the exchange, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderValidated {
    /// The order.
    pub order_hash: OrderHash,
    /// Its maker.
    pub offerer: Address,
    /// Who may have a say in it; zero for nobody.
    pub zone: Address,
    /// What the maker gives.
    pub offer: Vec<OrderItem>,
    /// What is wanted for it.
    pub consideration: Vec<OrderItem>,
    /// Seaport's number: whole or in parts, open or restricted.
    pub order_type: u8,
    /// Seconds since 1970.
    #[serde(with = "amounts::decimal")]
    pub starts_at: U256,
    /// Seconds since 1970.
    #[serde(with = "amounts::decimal")]
    pub ends_at: U256,
    /// What the zone is told.
    pub zone_hash: Hash32,
    /// What makes it another one than its like.
    #[serde(with = "amounts::decimal")]
    pub salt: U256,
    /// Who moves the tokens; zero for the exchange itself.
    pub conduit_key: Hash32,
}

/// `fulfilled.eip155.{n}`: what of an order was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fill", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum OrderFilled {
    /// An order was filled, wholly or in part.
    Fulfilled {
        /// The order.
        order_hash: OrderHash,
        /// Its maker.
        offerer: Address,
        /// Who had a say in it; zero for nobody.
        zone: Address,
        /// Who got what the maker gave; zero where orders were matched.
        recipient: Address,
        /// What the maker gave.
        offer: Vec<OrderItem>,
        /// What was given for it, and to whom.
        consideration: Vec<OrderItem>,
    },
    /// Orders filled one another: what was told of each of them is one sale.
    Matched {
        /// Which, each of them told as fulfilled before.
        order_hashes: Vec<OrderHash>,
    },
}

/// `cancelled.eip155.{n}`: an order that its maker took back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// The order.
    pub order_hash: OrderHash,
    /// Its maker.
    pub offerer: Address,
    /// Who had a say in it; zero for nobody.
    pub zone: Address,
}

/// `counter.eip155.{n}`: every order that a maker signed under a lower counter is void.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CounterIncremented {
    /// The maker.
    pub offerer: Address,
    /// The counter from now on.
    #[serde(with = "amounts::decimal")]
    pub new_counter: U256,
}

/// `payment.eip155.{n}`: what somebody who made an offer has, or lets the exchange take, may be another amount now. The
/// event's contract is the currency's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PaymentChanged {
    /// An ERC-20 transfer to or from a maker of offers.
    Transferred {
        /// Whence.
        from: Address,
        /// Whither.
        to: Address,
        /// How much.
        #[serde(with = "amounts::decimal")]
        amount: U256,
    },
    /// An ERC-20 approval by a maker of offers.
    Approved {
        /// Whose money.
        owner: Address,
        /// Who may take it.
        spender: Address,
        /// How much.
        #[serde(with = "amounts::decimal")]
        amount: U256,
    },
    /// Native currency was wrapped; wrapped currencies log no transfer for it.
    Deposited {
        /// Who has it.
        account: Address,
        /// How much.
        #[serde(with = "amounts::decimal")]
        amount: U256,
    },
    /// Wrapped currency became native again.
    Withdrawn {
        /// Who had it.
        account: Address,
        /// How much.
        #[serde(with = "amounts::decimal")]
        amount: U256,
    },
}

macro_rules! order_fact {
    ($fact:ty, $type:literal, $verb:expr, $function:ident) => {
        impl Fact for ChainBatch<$fact> {
            const TYPE: &'static str = $type;
            const SOURCE: &'static str = "indexer";
            const EXCHANGE: &'static str = exchange::ORDERS;
        }

        /// One message for a block's events of this kind.
        pub fn $function(batch: &ChainBatch<$fact>, part: usize) -> Message {
            let key = chain_key($verb, batch.chain_id);
            Message::new(batch_id(batch, $verb.as_str(), part), key, batch)
        }
    };
}

order_fact!(OrderValidated, "vitrine.orders.validated.v1", OrderVerb::Validated, validated);
order_fact!(OrderFilled, "vitrine.orders.fulfilled.v1", OrderVerb::Fulfilled, fulfilled);
order_fact!(OrderCancelled, "vitrine.orders.cancelled.v1", OrderVerb::Cancelled, cancelled);
order_fact!(CounterIncremented, "vitrine.orders.counter.v1", OrderVerb::Counter, counter_incremented);
order_fact!(PaymentChanged, "vitrine.orders.payment.v1", OrderVerb::Payment, payment_changed);
