//! From the wire to what the market's verbs take; every field that does not parse is named.

use amounts::U256;
use ids::{Address, TokenId, UserId};
use prost_types::Timestamp;
use proto::orchestrator::v1 as pb;
use uuid::Uuid;

use super::parse::Complaints;
use crate::{
    error::Error,
    market::{AcceptAsk, BuyAsk, CancelAsk, ListingAsk, OfferAsk, SubmitAsk},
};

pub(super) fn listing(request: pb::PrepareListingRequest) -> Result<ListingAsk, Error> {
    let mut complaints = Complaints::default();
    let token = request.token.unwrap_or_default();
    let chain_id = complaints.chain_id("token.chain_id", &token.chain_id);
    let contract = complaints.address("token.address", &token.address);
    let token_id = complaints.take("token.token_id", token.token_id.parse(), TokenId::new(U256::ZERO));
    let seller = complaints.address("seller", &request.seller);
    let quantity = complaints.optional_amount("quantity", &request.quantity).unwrap_or(U256::from(1));
    let price = complaints.amount("price_raw", &request.price_raw);
    let currency = optional_address(&mut complaints, "currency", &request.currency);
    let starts_at = request.start_time.map(|time| seconds(&mut complaints, "start_time", Some(time)));
    let ends_at = seconds(&mut complaints, "end_time", request.end_time);
    let taker = optional_address(&mut complaints, "taker", &request.taker);
    let ask = chain_id.map(|chain_id| ListingAsk {
        chain_id,
        contract,
        token_id,
        seller,
        quantity,
        price,
        currency,
        starts_at,
        ends_at,
        taker,
    });
    complaints.none(ask)
}

pub(super) fn offer(request: pb::PrepareOfferRequest) -> Result<OfferAsk, Error> {
    let mut complaints = Complaints::default();
    let collection = request.collection.unwrap_or_default();
    let chain_id = complaints.chain_id("collection.chain_id", &collection.chain_id);
    let contract = complaints.address("collection.address", &collection.address);
    let token_id = complaints.optional_token_id("token_id", &request.token_id);
    let buyer = complaints.address("buyer", &request.buyer);
    let quantity = complaints.optional_amount("quantity", &request.quantity).unwrap_or(U256::from(1));
    let price = complaints.amount("price_raw", &request.price_raw);
    let currency = optional_address(&mut complaints, "currency", &request.currency);
    let ends_at = seconds(&mut complaints, "end_time", request.end_time);
    let ask = chain_id.map(|chain_id| OfferAsk {
        chain_id,
        contract,
        token_id,
        buyer,
        quantity,
        price,
        currency,
        ends_at,
    });
    complaints.none(ask)
}

pub(super) fn submit(user_id: UserId, request: pb::SubmitOrderRequest) -> Result<SubmitAsk, Error> {
    let intent_id = super::parse::intent_id(&request.intent_id)?;
    Ok(SubmitAsk { user_id, intent_id, signature: request.signature })
}

pub(super) fn buy(request: &pb::PrepareBuyRequest) -> Result<BuyAsk, Error> {
    let mut complaints = Complaints::default();
    let order_id = order_id(&mut complaints, &request.order_id);
    let buyer = complaints.address("buyer", &request.buyer);
    let recipient = optional_address(&mut complaints, "recipient", &request.recipient).unwrap_or(buyer);
    let quantity = complaints.optional_amount("quantity", &request.quantity);
    let expected_price = complaints.optional_amount("expected_price_raw", &request.expected_price_raw);
    complaints.none(Some(BuyAsk { order_id, buyer, recipient, quantity, expected_price }))
}

pub(super) fn accept(request: &pb::PrepareAcceptOfferRequest) -> Result<AcceptAsk, Error> {
    let mut complaints = Complaints::default();
    let order_id = order_id(&mut complaints, &request.order_id);
    let seller = complaints.address("seller", &request.seller);
    let token_id = complaints.optional_token_id("token_id", &request.token_id);
    let quantity = complaints.optional_amount("quantity", &request.quantity);
    complaints.none(Some(AcceptAsk { order_id, seller, token_id, quantity }))
}

pub(super) fn cancel(request: &pb::PrepareCancelOrderRequest) -> Result<CancelAsk, Error> {
    let mut complaints = Complaints::default();
    let order_id = order_id(&mut complaints, &request.order_id);
    let maker = complaints.address("maker", &request.maker);
    complaints.none(Some(CancelAsk { order_id, maker }))
}

fn order_id(complaints: &mut Complaints, text: &str) -> Uuid {
    complaints.take("order_id", text.parse(), Uuid::nil())
}

fn optional_address(complaints: &mut Complaints, path: &str, text: &str) -> Option<Address> {
    (!text.is_empty()).then(|| complaints.address(path, text))
}

fn seconds(complaints: &mut Complaints, path: &str, time: Option<Timestamp>) -> u64 {
    let seconds = match time {
        None => Err("must be given"),
        Some(time) => u64::try_from(time.seconds).map_err(|_| "is before 1970"),
    };
    complaints.take(path, seconds, 0)
}
