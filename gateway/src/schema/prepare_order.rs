//! Preparing listings and offers, and taking the signatures that make them orders.

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result, Union};
use ids::IntentId;
use proto::orchestrator::v1::{PrepareListingRequest, PrepareOfferRequest, SubmitOrderRequest};
use tonic::Status;

use super::{
    collection::ContractRef,
    guard::{Requires, auth},
    intent::TxIntent,
    node,
    prepared::{PrepareResult, optional, optional_amount, prepared},
    problem::{
        self, ConflictProblem, ForbiddenProblem, NotFoundProblem, Problem, TxWillFailProblem,
        ValidationProblem,
    },
    scalar::{Address, BigInt, DateTime, Hex, to_timestamp},
    token::TokenRef,
    user::{Role, acting},
};
use crate::{error::failed, peers::Peers};

/// What is to be sold, and for how much.
#[derive(InputObject)]
pub(crate) struct PrepareListingInput {
    token: TokenRef,
    /// The wallet of yours that has it, signs, and is paid.
    seller: Address,
    /// How many; 1 where absent.
    quantity: Option<BigInt>,
    /// For all of them together, in the smallest unit of the currency. Royalties are taken out of it.
    price_raw: BigInt,
    /// An ERC-20 contract; the native currency where absent.
    currency: Option<Address>,
    /// Now where absent.
    starts_at: Option<DateTime>,
    /// When it can no longer be bought.
    expires_at: DateTime,
    /// Who alone may buy it; anybody where absent.
    taker: Option<Address>,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

/// What an offer is for.
#[derive(OneofObject)]
pub(crate) enum OfferTarget {
    /// This token.
    Token(TokenRef),
    /// Any token of this collection.
    Collection(ContractRef),
}

/// What is to be bought, and for how much.
#[derive(InputObject)]
pub(crate) struct PrepareOfferInput {
    target: OfferTarget,
    /// The wallet of yours that signs, and pays when somebody accepts.
    buyer: Address,
    /// How many; 1 where absent.
    quantity: Option<BigInt>,
    /// For all of them together, in the smallest unit of the currency. Royalties are taken out of it.
    price_raw: BigInt,
    /// An ERC-20 contract; the chain's wrapped native currency where absent.
    currency: Option<Address>,
    /// When it can no longer be accepted.
    expires_at: DateTime,
    /// The same key with the same input answers with the same intent.
    idempotency_key: String,
}

/// The signature of an order that was prepared.
#[derive(InputObject)]
pub(crate) struct SubmitOrderInput {
    intent_id: ID,
    /// Of the typed data of the last step, by the wallet that it was prepared for.
    signature: Hex,
}

/// The intent that is followed now, or why there is no order.
#[derive(Union)]
pub(crate) enum SubmitOrderResult {
    Intent(Box<TxIntent>),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Forbidden(ForbiddenProblem),
    Conflict(ConflictProblem),
    TxWillFail(TxWillFailProblem),
}

#[derive(Default)]
pub(crate) struct PrepareOrderMutation;

#[Object]
impl PrepareOrderMutation {
    /// Prepares a listing: older listings that it replaces, or that an approval would bring back to life, are cancelled first,
    /// then an approval where one is missing, then the order to sign. Pass the signature to `submitListing`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_listing(
        &self,
        context: &Context<'_>,
        input: PrepareListingInput,
    ) -> Result<PrepareResult> {
        let asked = PrepareListingRequest {
            request_id: input.idempotency_key,
            token: Some(input.token.to_wire()),
            seller: input.seller.0.to_lower(),
            quantity: optional_amount(input.quantity),
            price_raw: input.price_raw.0.to_string(),
            currency: optional(input.currency),
            start_time: input.starts_at.map(to_timestamp),
            end_time: Some(to_timestamp(input.expires_at)),
            taker: optional(input.taker),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().market.clone().prepare_listing(asked).await)
    }

    /// Prepares an offer for a token or for any token of a collection: an approval where one is missing, then the order to sign.
    /// Pass the signature to `submitOffer`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn prepare_offer(&self, context: &Context<'_>, input: PrepareOfferInput) -> Result<PrepareResult> {
        let (collection, token_id) = match input.target {
            OfferTarget::Token(token) => token.apart(),
            OfferTarget::Collection(collection) => (collection, None),
        };
        let asked = PrepareOfferRequest {
            request_id: input.idempotency_key,
            collection: Some(collection.to_wire()),
            token_id: optional_amount(token_id),
            buyer: input.buyer.0.to_lower(),
            quantity: optional_amount(input.quantity),
            price_raw: input.price_raw.0.to_string(),
            currency: optional(input.currency),
            end_time: Some(to_timestamp(input.expires_at)),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        prepared(context.data_unchecked::<Peers>().market.clone().prepare_offer(asked).await)
    }

    /// Takes the signature of a listing, checks it and what the chain says of the token, and stores the order.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn submit_listing(
        &self,
        context: &Context<'_>,
        input: SubmitOrderInput,
    ) -> Result<SubmitOrderResult> {
        submit(context, input).await
    }

    /// Takes the signature of an offer, checks it and what the chain says of the money, and stores the order.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn submit_offer(
        &self,
        context: &Context<'_>,
        input: SubmitOrderInput,
    ) -> Result<SubmitOrderResult> {
        submit(context, input).await
    }
}

async fn submit(context: &Context<'_>, input: SubmitOrderInput) -> Result<SubmitOrderResult> {
    let Some(intent_id) = node::key::<IntentId>("TxIntent", &input.intent_id) else {
        return Ok(SubmitOrderResult::NotFound(NotFoundProblem::of("intent")));
    };
    let asked = SubmitOrderRequest { intent_id: intent_id.to_string(), signature: input.signature.0 };
    let asked = rpc::caller::acting(asked, &acting(context)?.caller());
    let answer = context.data_unchecked::<Peers>().market.clone().submit_order(asked).await;
    match answer {
        Ok(answer) => {
            let answer = answer.into_inner();
            let intent = TxIntent::whole(answer.intent.unwrap_or_default(), answer.steps);
            Ok(SubmitOrderResult::Intent(Box::new(intent)))
        }
        Err(status) => refused(&status),
    }
}

fn refused(status: &Status) -> Result<SubmitOrderResult> {
    Ok(match problem::expected(status)? {
        Problem::Validation(problem) => SubmitOrderResult::Validation(problem),
        Problem::NotFound(problem) => SubmitOrderResult::NotFound(problem),
        Problem::Forbidden(problem) => SubmitOrderResult::Forbidden(problem),
        Problem::Conflict(problem) => SubmitOrderResult::Conflict(problem),
        Problem::TxWillFail(problem) => SubmitOrderResult::TxWillFail(problem),
        Problem::Siwe(_) => return Err(failed(status)),
    })
}
