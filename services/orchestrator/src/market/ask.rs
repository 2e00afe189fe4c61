//! What is asked of the market, as it was parsed, and what makes it right.

use amounts::U256;
use ids::{Address, ChainId, TokenId};
use serde::Serialize;
use uuid::Uuid;

use super::order::QUANTITY_BITS;
use crate::ask::Violation;

/// How far ahead an order may end: a year, which may be a leap one. A signature that is forgotten is over some day.
const ENDS_WITHIN: u64 = 366 * 24 * 60 * 60;

/// A listing that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ListingAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    pub(crate) token_id: TokenId,
    pub(crate) seller: Address,
    pub(crate) quantity: U256,
    /// For all of them together.
    pub(crate) price: U256,
    /// The native currency where None.
    pub(crate) currency: Option<Address>,
    /// Seconds since 1970; now where None.
    pub(crate) starts_at: Option<u64>,
    pub(crate) ends_at: u64,
    pub(crate) taker: Option<Address>,
}

/// An offer that is to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OfferAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) contract: Address,
    /// Any token of the contract where None.
    pub(crate) token_id: Option<TokenId>,
    pub(crate) buyer: Address,
    pub(crate) quantity: U256,
    /// For all of them together.
    pub(crate) price: U256,
    /// The chain's wrapped currency where None.
    pub(crate) currency: Option<Address>,
    pub(crate) ends_at: u64,
}

/// A listing that is to be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BuyAsk {
    pub(crate) order_id: Uuid,
    pub(crate) buyer: Address,
    pub(crate) recipient: Address,
    /// All that is left where None.
    pub(crate) quantity: Option<U256>,
    /// What the user was shown.
    pub(crate) expected_price: Option<U256>,
}

/// An offer that is to be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AcceptAsk {
    pub(crate) order_id: Uuid,
    pub(crate) seller: Address,
    pub(crate) token_id: Option<TokenId>,
    /// All that is left where None.
    pub(crate) quantity: Option<U256>,
}

/// An order that is to be cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CancelAsk {
    pub(crate) order_id: Uuid,
    pub(crate) maker: Address,
}

impl ListingAsk {
    /// What is wrong with it at `now` (seconds since 1970); empty where nothing is.
    pub(crate) fn violations(&self, now: u64) -> Vec<Violation> {
        let mut found = Vec::new();
        amounts_fit(&mut found, self.quantity, self.price);
        need(&mut found, !self.contract.is_zero(), "token.address", "must not be the zero address");
        need(&mut found, !self.seller.is_zero(), "seller", "must not be the zero address");
        currency_fits(&mut found, self.currency, self.contract);
        ends_in_time(&mut found, self.ends_at, now);
        let is_in_order = self.starts_at.is_none_or(|starts_at| starts_at < self.ends_at);
        need(&mut found, is_in_order, "end_time", "must be after the start");
        let is_other = self.taker.is_none_or(|taker| !taker.is_zero() && taker != self.seller);
        need(&mut found, is_other, "taker", "must be somebody else's address");
        found
    }
}

impl OfferAsk {
    /// What is wrong with it at `now` (seconds since 1970); empty where nothing is.
    pub(crate) fn violations(&self, now: u64) -> Vec<Violation> {
        let mut found = Vec::new();
        amounts_fit(&mut found, self.quantity, self.price);
        need(&mut found, !self.contract.is_zero(), "collection.address", "must not be the zero address");
        need(&mut found, !self.buyer.is_zero(), "buyer", "must not be the zero address");
        currency_fits(&mut found, self.currency, self.contract);
        ends_in_time(&mut found, self.ends_at, now);
        found
    }
}

impl BuyAsk {
    /// What is wrong with it; empty where nothing is.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        need(&mut found, !self.buyer.is_zero(), "buyer", "must not be the zero address");
        need(&mut found, !self.recipient.is_zero(), "recipient", "must not be the zero address");
        need(&mut found, self.quantity.is_none_or(|some| !some.is_zero()), "quantity", "must be at least 1");
        found
    }
}

impl AcceptAsk {
    /// What is wrong with it; empty where nothing is.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        need(&mut found, !self.seller.is_zero(), "seller", "must not be the zero address");
        need(&mut found, self.quantity.is_none_or(|some| !some.is_zero()), "quantity", "must be at least 1");
        found
    }
}

fn need(found: &mut Vec<Violation>, holds: bool, path: &str, message: &str) {
    if !holds {
        found.push(Violation { path: path.to_owned(), message: message.to_owned() });
    }
}

fn ends_in_time(found: &mut Vec<Violation>, ends_at: u64, now: u64) {
    need(found, ends_at > now, "end_time", "must be in the future");
    need(found, ends_at <= now.saturating_add(ENDS_WITHIN), "end_time", "must be at most a year ahead");
}

/// A part of an order must cost a whole amount: Seaport refuses to divide with a rest.
fn amounts_fit(found: &mut Vec<Violation>, quantity: U256, price: U256) {
    let is_counted = !quantity.is_zero() && quantity.bit_len() <= QUANTITY_BITS;
    need(found, is_counted, "quantity", "must be at least 1 and below 2^120");
    need(found, !price.is_zero(), "price_raw", "must be above 0");
    let divides = price.checked_rem(quantity).is_none_or(|rest| rest.is_zero());
    need(found, divides, "price_raw", "must be a multiple of the quantity");
}

fn currency_fits(found: &mut Vec<Violation>, currency: Option<Address>, contract: Address) {
    let is_other = currency.is_none_or(|currency| !currency.is_zero() && currency != contract);
    need(found, is_other, "currency", "must be an ERC-20 contract");
}
