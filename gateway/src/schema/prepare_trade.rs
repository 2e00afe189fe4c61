//! Preparing what is done with an order that is there: buying, accepting, cancelling.

use async_graphql::{Context, ID, InputObject, Object, Result};
use ids::OrderId;
use proto::orchestrator::v1::{PrepareAcceptOfferRequest, PrepareBuyRequest, PrepareCancelOrderRequest};

use super::{
    guard::{Requires, auth},
    node,
    prepared::{PrepareResult, optional, optional_amount, prepared},
    scalar::{Address, BigInt},
    user::{Role, acting},
};
use crate::peers::Peers;

/// Which listing is to be bought.
#[derive(InputObject)]
pub(crate) struct PrepareBuyInput {
    order_id: ID,
    /// The wallet of yours that signs and pays.
    buyer: Address,
    /// The buyer where absent.
    recipient: Option<Address>,
    /// How many; all that is left where absent.
    quantity: Option<BigInt>,
    /// For all of them together, as you were shown it; at a higher price it is refused with PRICE_CHANGED.
    expected_price_raw: Option<BigInt>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

/// Which offer is to be accepted.
#[derive(InputObject)]
pub(crate) struct PrepareAcceptOfferInput {
    order_id: ID,
    /// The wallet of yours that has the token, signs, and is paid.
    seller: Address,
    /// Which token is handed over, for an offer for any token of a collection.
    token_id: Option<BigInt>,
    /// How many; all that is left where absent.
    quantity: Option<BigInt>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

/// Which order of yours is to be cancelled.
#[derive(InputObject)]
pub(crate) struct PrepareCancelOrderInput {
    order_id: ID,
    /// The wallet of yours that made it.
    maker: Address,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

#[derive(Default)]
pub(crate) struct PrepareTradeMutation;

#[Object]
impl PrepareTradeMutation {
    /// Prepares buying a listing, with an approval before it where the price is in ERC-20 and one is missing. You sign and send;
    /// then tell the hashes by `trackTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_buy(&self, context: &Context<'_>, input: PrepareBuyInput) -> Result<PrepareResult> {
        let Some(order_id) = order(&input.order_id) else { return Ok(PrepareResult::no_order()) };
        let asked = PrepareBuyRequest {
            request_id: input.idempotency_key,
            order_id,
            buyer: input.buyer.0.to_lower(),
            recipient: optional(input.recipient),
            quantity: optional_amount(input.quantity),
            expected_price_raw: optional_amount(input.expected_price_raw),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().market.clone().prepare_buy(asked).await)
    }

    /// Prepares accepting an offer, with an approval before it where one is missing, and before that the cancellation of your
    /// own listings that the approval would bring back to life. You sign and send; then tell the hashes by `trackTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_accept_offer(
        &self,
        context: &Context<'_>,
        input: PrepareAcceptOfferInput,
    ) -> Result<PrepareResult> {
        let Some(order_id) = order(&input.order_id) else { return Ok(PrepareResult::no_order()) };
        let asked = PrepareAcceptOfferRequest {
            request_id: input.idempotency_key,
            order_id,
            seller: input.seller.0.to_lower(),
            token_id: optional_amount(input.token_id),
            quantity: optional_amount(input.quantity),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().market.clone().prepare_accept_offer(asked).await)
    }

    /// Prepares cancelling a listing of yours. You sign and send; then tell the hash by `trackTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_cancel_listing(
        &self,
        context: &Context<'_>,
        input: PrepareCancelOrderInput,
    ) -> Result<PrepareResult> {
        cancel(context, input).await
    }

    /// Prepares cancelling an offer of yours. You sign and send; then tell the hash by `trackTx`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_cancel_offer(
        &self,
        context: &Context<'_>,
        input: PrepareCancelOrderInput,
    ) -> Result<PrepareResult> {
        cancel(context, input).await
    }
}

async fn cancel(context: &Context<'_>, input: PrepareCancelOrderInput) -> Result<PrepareResult> {
    let Some(order_id) = order(&input.order_id) else { return Ok(PrepareResult::no_order()) };
    let asked = PrepareCancelOrderRequest {
        request_id: input.idempotency_key,
        order_id,
        maker: input.maker.0.to_lower(),
    };
    let asked = rpc::caller::acting(asked, &acting(context)?.caller());
    prepared(context.data_unchecked::<Peers>().market.clone().prepare_cancel_order(asked).await)
}

/// The order that an id names, for the wire.
fn order(id: &ID) -> Option<String> {
    node::key::<OrderId>("Order", id).map(|id| id.to_string())
}
