//! A signed order, and what may change of it.

use amounts::U256;
use bigdecimal::BigDecimal;
use chrono::{DateTime, Utc};
use events::Standard;
use ids::{Address, ChainId, OrderHash, TokenId};
use serde_json::Value;
use uuid::Uuid;

/// The id of a marketplace's row.
pub(crate) fn marketplace_row(name: &str) -> Uuid {
    ids::derived_uuid("marketplace", name)
}

/// Who made the order: somebody who sells, or somebody who buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Listing,
    Offer,
}

impl Side {
    /// The word in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Side::Listing => "LISTING",
            Side::Offer => "OFFER",
        }
    }
}

/// How an order stands, as far as it is told; that its time is over is seen by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    /// Not fillable now, and may become so again.
    Inactive,
    Filled,
    Cancelled,
}

impl Standing {
    /// The word in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Standing::Active => "ACTIVE",
            Standing::Inactive => "INACTIVE",
            Standing::Filled => "FILLED",
            Standing::Cancelled => "CANCELLED",
        }
    }

    /// The state of that word.
    pub(crate) fn from_word(word: &str) -> Option<Standing> {
        let all = [Standing::Active, Standing::Inactive, Standing::Filled, Standing::Cancelled];
        all.into_iter().find(|standing| standing.as_str() == word)
    }
}

/// What is known of an order's state, and the height of the block that says so; 0 for no block, as it was signed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) standing: Standing,
    pub(crate) filled: BigDecimal,
    pub(crate) as_of_block: i64,
}

impl State {
    /// What holds after another word: that of the newer block, and of two of one block the later. So a submission that is
    /// repeated late brings nothing back to life, and a block that the chain took back takes its word with it as soon as
    /// another one of its height is told of.
    #[must_use]
    pub(crate) fn then(self, told: State) -> State {
        if told.as_of_block >= self.as_of_block { told } else { self }
    }
}

/// What was signed. It never changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signed {
    pub(crate) side: Side,
    pub(crate) marketplace: String,
    pub(crate) maker: Address,
    /// None: anybody.
    pub(crate) taker: Option<Address>,
    pub(crate) contract: Address,
    /// None: any token of the contract.
    pub(crate) token_id: Option<TokenId>,
    pub(crate) standard: Standard,
    pub(crate) quantity: U256,
    /// For the whole quantity.
    pub(crate) price: U256,
    /// An ERC-20; None: the native currency.
    pub(crate) currency: Option<Address>,
    pub(crate) starts_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) components: Value,
}

impl Signed {
    /// The salt among what was signed: a decimal or hexadecimal string, or a number.
    pub(crate) fn salt(&self) -> Option<U256> {
        let salt = self.components.get("salt")?;
        let text = salt.as_str().map_or_else(|| salt.to_string(), str::to_owned);
        match text.strip_prefix("0x") {
            Some(digits) => U256::from_str_radix(digits, 16).ok(),
            None => amounts::parse(&text).ok(),
        }
    }
}

/// An order as it is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToldOrder {
    pub(crate) chain_id: ChainId,
    pub(crate) exchange: Address,
    pub(crate) order_hash: OrderHash,
    pub(crate) signed: Signed,
    /// Empty where only the state is told.
    pub(crate) signature: Vec<u8>,
    /// None: nothing is told of it.
    pub(crate) standing: Option<Standing>,
    pub(crate) quantity_filled: U256,
    /// The height that this was read at; 0 where it is only what was signed.
    pub(crate) as_of_block: i64,
}

/// An order as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) chain_id: i64,
    pub(crate) exchange: Address,
    pub(crate) order_hash: OrderHash,
    pub(crate) marketplace: String,
    pub(crate) side: String,
    pub(crate) status: String,
    pub(crate) maker: Address,
    pub(crate) taker: Option<Address>,
    pub(crate) contract: Address,
    pub(crate) token_number: Option<BigDecimal>,
    pub(crate) token_standard: String,
    pub(crate) quantity: BigDecimal,
    pub(crate) quantity_filled: BigDecimal,
    pub(crate) as_of_block: i64,
    pub(crate) price: BigDecimal,
    pub(crate) currency: Option<Address>,
    pub(crate) starts_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) components: Value,
    pub(crate) signature: Vec<u8>,
    pub(crate) created_at: DateTime<Utc>,
}

impl Order {
    /// Whether this is what was signed.
    pub(crate) fn is_signed_as(&self, signed: &Signed) -> bool {
        self.side == signed.side.as_str()
            && self.marketplace == signed.marketplace
            && (self.maker, self.taker) == (signed.maker, signed.taker)
            && self.contract == signed.contract
            && self.token_number == signed.token_id.map(|id| amounts::to_decimal(id.number()))
            && self.token_standard == signed.standard.as_str()
            && self.quantity == amounts::to_decimal(signed.quantity)
            && self.price == amounts::to_decimal(signed.price)
            && self.currency == signed.currency
            && (self.starts_at, self.ends_at) == (signed.starts_at, signed.ends_at)
            && self.components == signed.components
    }

    /// The status as people see it at that moment.
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> &str {
        let is_open = self.status == "ACTIVE" || self.status == "INACTIVE";
        if is_open && self.ends_at <= now { "EXPIRED" } else { &self.status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What other services' stand-ins for the catalog are held to as well.
    const WORDS: &str = include_str!("../../tests/vectors/order_words.json");

    #[test]
    fn the_newest_blocks_word_holds_in_both_directions() {
        let cases: Vec<Value> = serde_json::from_str(WORDS).unwrap();
        assert!(cases.len() > 5);
        for case in cases {
            let state = |word: &Value| State {
                standing: Standing::from_word(word["status"].as_str().unwrap()).unwrap(),
                filled: word["filled"].as_str().unwrap().parse().unwrap(),
                as_of_block: word["as_of_block"].as_i64().unwrap(),
            };
            let (mut words, expected) =
                (case["words"].as_array().unwrap().iter().map(state), state(&case["then"]));
            let first = words.next().unwrap();
            assert_eq!(words.fold(first, State::then), expected, "{}", case["name"]);
        }
    }
}
