//! A log becomes facts. Pure: what must be asked of the chain afterwards is left open and filled in by `read_contract`.

mod collections;
mod orders;
mod payments;
mod tokens;
mod words;

use events::{
    Standard,
    collections::{CollectionCreated, CollectionUpdated},
    mints::{MetadataChanged, TokenMoved},
    orders::{CounterIncremented, OrderCancelled, OrderFilled, OrderValidated, PaymentChanged},
    wallets::ApprovalChanged,
};
use ids::Address;
use serde::{Deserialize, Serialize};

use crate::model::{Log, Role};
pub(crate) use payments::concerns;
pub(crate) use words::{Words, known_uri, name};

/// Tokens that one log moves at most. Where every one of them changes a balance, so many do not fit the gas of a
/// transaction; what claims more is kept raw and believed in nothing.
const MOST_MOVES: usize = 16_384;
/// Items on one side of an order at most, and orders that fill one another.
const MOST_ITEMS: usize = 1_024;

/// What a log says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reading {
    /// An event that we know. Not every one says something new.
    Known {
        /// The event's name.
        event: &'static str,
        /// What happened, each with its place inside the log.
        facts: Vec<(u32, Fact)>,
    },
    /// No event that we know of such a contract.
    Unknown,
    /// An event that we know, with contents that it cannot have, or more of them than anybody should carry.
    Malformed {
        /// The event's name.
        event: &'static str,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Fact {
    /// A factory made a collection.
    Created {
        /// Which.
        collection: Address,
        /// Of which kind.
        standard: Standard,
        /// What is known of it.
        created: CollectionCreated,
        /// Whether name, symbol and the rest must be read from the contract.
        is_bare: bool,
    },
    /// A collection's contract changed.
    Updated(CollectionUpdated),
    /// Tokens came into being.
    Minted(TokenMoved),
    /// Tokens changed hands.
    Transferred(TokenMoved),
    /// Tokens are gone.
    Burned(TokenMoved),
    /// Metadata may have changed.
    Metadata(MetadataChanged),
    /// Somebody may move tokens, or no more.
    Approval(ApprovalChanged),
    /// An order was shown to an exchange.
    OrderValidated(OrderValidated),
    /// An order was filled.
    OrderFilled(OrderFilled),
    /// An order was taken back.
    OrderCancelled(OrderCancelled),
    /// All older orders of a maker are void.
    CounterIncremented(CounterIncremented),
    /// The money of a maker of offers may be another amount.
    Payment(PaymentChanged),
}

/// The contents do not fit the event.
#[derive(Debug)]
pub(crate) struct Malformed;

type Facts = Result<Vec<(u32, Fact)>, Malformed>;
/// An event's name, and what it says.
type Known = Option<(&'static str, Facts)>;

/// Reads a log of a contract that is followed as `role`.
pub(crate) fn decode(log: &Log, role: Role) -> Reading {
    let Some(topic) = log.topics.first() else { return Reading::Unknown };
    let known = match role {
        Role::Factory => collections::of_factory(*topic, log),
        Role::Collection(standard) => {
            tokens::of_collection(*topic, log, standard).or_else(|| collections::of_collection(*topic, log))
        }
        Role::Exchange => orders::of_exchange(*topic, log),
        Role::Currency => payments::of_currency(*topic, log),
    };
    match known {
        Some((event, Ok(facts))) => Reading::Known { event, facts },
        Some((event, Err(Malformed))) => Reading::Malformed { event },
        None => Reading::Unknown,
    }
}

fn one(fact: Fact) -> Vec<(u32, Fact)> {
    vec![(0, fact)]
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
