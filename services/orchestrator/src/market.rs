//! Trading: what makers sign, what takers send, and what the catalog hears of it. Orders are Seaport 1.6, kept to the
//! shapes that `order.rs` knows; the contracts of the tokens may be anybody's.

mod ask;
mod ask_catalog;
mod call_exchange;
mod check_signature;
mod describe;
mod draw_salt;
mod find_open_orders;
mod order;
mod plan_payment;
mod prepare_accept_offer;
mod prepare_buy;
mod prepare_cancel_order;
mod prepare_listing;
mod prepare_offer;
mod put_order;
mod read_chain;
mod read_order;
mod require_exchange;
mod submit_order;
mod tell_order_state;

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod order_viem_tests;

pub(crate) use ask::{AcceptAsk, BuyAsk, CancelAsk, ListingAsk, OfferAsk};
pub(crate) use describe::replaced_text;
pub(crate) use find_open_orders::{cancel_listings, find_revived_listings};
pub(crate) use prepare_accept_offer::prepare_accept_offer;
pub(crate) use prepare_buy::prepare_buy;
pub(crate) use prepare_cancel_order::prepare_cancel_order;
pub(crate) use prepare_listing::prepare_listing;
pub(crate) use prepare_offer::prepare_offer;
pub(crate) use put_order::{ends_at, put_order};
pub(crate) use require_exchange::Exchanges;
pub(crate) use submit_order::{SubmitAsk, submit_order};
pub(crate) use tell_order_state::tell_order_state;
