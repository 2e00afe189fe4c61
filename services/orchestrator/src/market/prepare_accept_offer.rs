//! Prepares accepting an offer, or a part of one: the token's approval where it is missing, then the sale. An approval
//! would bring older listings back to life, so that they are called off before it.

use alloy::primitives::U256;
use ids::{Address, TokenId};

use super::{
    ask::AcceptAsk,
    call_exchange::{accept, approve_token, cost},
    describe::{split_text, times_text},
    draw_salt::draw_salt,
    find_open_orders::{cancel_listings, find_revived_listings},
    order::{Side, Terms},
    read_chain::{read_approval, read_holding, read_purse},
    read_order::{Stored, read_order, require_open, take},
};
use crate::{
    ask::{Standard, request_hash},
    error::Error,
    model::Kind,
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    simulate::{Call, Planned, plan},
};

pub(crate) async fn prepare_accept_offer(
    tools: &Tools,
    asker: &Asker,
    ask: &AcceptAsk,
) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(ask.violations())?;
    let order = read_order(tools, ask.order_id).await?;
    let (chain, terms) = (&order.chain, &order.terms);
    tools.peers.require_wallet(asker.user_id, ask.seller, chain.chain_id).await?;
    let token_id = find_token(terms, ask)?;
    let (left, awaits_catalog) =
        tokio::try_join!(require_open(&order), tools.peers.is_catalogued(chain.chain_id, terms.contract))?;
    let quantity = take(terms, left, ask.quantity)?;
    let approval = require_token(tools, &order, (ask.seller, token_id), quantity).await?;
    require_buyer(&order, cost(terms, quantity)).await?;

    let sale = Planned::Call(Call {
        title: format!("Sell {quantity}"),
        description: format!(
            "Sells {quantity} of token {token_id} of {} to {} on {}; the offer holds {}. {}",
            terms.contract,
            terms.maker,
            chain.name,
            times_text(terms),
            split_text(chain, terms, quantity, "You get"),
        ),
        from: ask.seller,
        to: order.exchange,
        data: accept(&order, quantity, (ask.seller, token_id), draw_salt()),
        value: U256::ZERO,
    });
    let steps = plan(tools, chain, approval.into_iter().chain([sale]).collect()).await?;
    let subject = Subject {
        contract: Some(terms.contract),
        token_ids: vec![token_id],
        order_id: Some(ask.order_id),
        awaits_catalog,
        ..Subject::of(Kind::AcceptOffer, ask.seller)
    };
    store_prepared(tools, asker, (ask, chain), subject, steps).await
}

/// Which token is sold: the offer's, or one that the seller names for an offer for any.
fn find_token(terms: &Terms, ask: &AcceptAsk) -> Result<TokenId, Error> {
    if terms.side != Side::Offer {
        return Err(Error::field("order_id", "names a listing, which is bought"));
    }
    if terms.maker == ask.seller {
        return Err(Error::refused("ORDER_INVALID", "the offer is the wallet's own"));
    }
    match (terms.token_id, ask.token_id) {
        (Some(wanted), Some(named)) if wanted != named => {
            Err(Error::field("token_id", format!("must be {wanted}, which the offer is for")))
        }
        (Some(wanted), _) => Ok(wanted),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(Error::field("token_id", "must be named: the offer is for any token")),
    }
}

/// The approval that the token still needs, and what must go before it.
async fn require_token(
    tools: &Tools,
    order: &Stored,
    (seller, token_id): (Address, TokenId),
    quantity: U256,
) -> Result<Vec<Planned>, Error> {
    let (chain, terms) = (&order.chain, &order.terms);
    let token = (terms.contract, token_id);
    let (held, approval) = tokio::try_join!(
        read_holding(chain, terms.standard, token, seller),
        read_approval(chain, terms.standard, token, (seller, order.exchange)),
    )?;
    if held < quantity {
        let message = format!("{seller} has {held} of token {token_id} of {}", terms.contract);
        return Err(Error::refused("NOT_OWNER", message));
    }
    if approval.is_given {
        return Ok(Vec::new());
    }
    // The only approval that an ERC-1155 has covers the other tokens as well.
    let scope = (terms.contract, (terms.standard == Standard::Erc721).then_some(token_id));
    let older = find_revived_listings(tools, chain, scope, (seller, order.exchange)).await?;
    let approval = approve_token(seller, terms.standard, token, (order.exchange, approval.other));
    let calls = cancel_listings(chain, seller, Some(token_id), &older).into_iter().chain([approval]);
    Ok(calls.map(Planned::Call).collect())
}

/// Whether the buyer can still pay; otherwise the offer may come alive again, and is not to be accepted now.
async fn require_buyer(order: &Stored, price: U256) -> Result<(), Error> {
    let invalid = |message: &str| Err(Error::refused("ORDER_INVALID", message));
    let Some(currency) = order.terms.currency else { return invalid("the offer is in no currency") };
    if !order.chain.currencies.contains(&currency) {
        return invalid("what is offered is not a currency of this chain");
    }
    match read_purse(&order.chain, currency, (order.terms.maker, order.exchange)).await? {
        None => invalid("the offer's currency is no ERC-20 contract"),
        Some(purse) if purse.balance < price => invalid("the buyer does not have what was offered any more"),
        Some(purse) if purse.allowance < price => invalid("the buyer has taken the exchange's approval back"),
        Some(_) => Ok(()),
    }
}
