//! Prepares buying a listing, or a part of one: the payment's approval where it is missing, then the purchase.

use alloy::primitives::U256;

use super::{
    ask::BuyAsk,
    call_exchange::{buy, cost},
    describe::{price_text, split_text},
    draw_salt::draw_salt,
    order::Side,
    plan_payment::plan_payment,
    read_chain::{is_approved, read_holding},
    read_order::{Stored, read_order, require_open, take},
};
use crate::{
    ask::request_hash,
    error::Error,
    model::Kind,
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    simulate::{Call, Planned, plan},
};

pub(crate) async fn prepare_buy(tools: &Tools, asker: &Asker, ask: &BuyAsk) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(ask.violations())?;
    let order = read_order(tools, ask.order_id).await?;
    let (chain, terms) = (&order.chain, &order.terms);
    tools.peers.require_wallet(asker.user_id, ask.buyer, chain.chain_id).await?;
    require_buyer(&order, ask)?;
    let (left, awaits_catalog) =
        tokio::try_join!(require_open(&order), tools.peers.is_catalogued(chain.chain_id, terms.contract))?;
    let quantity = take(terms, left, ask.quantity)?;
    let price = cost(terms, quantity);
    if ask.expected_price.is_some_and(|expected| price > expected) {
        let message = format!("the price is {} now", price_text(chain, price, terms.currency));
        return Err(Error::refused("PRICE_CHANGED", message));
    }
    require_seller(&order, quantity).await?;
    let payment = match terms.currency {
        // What the native currency needs, the simulation finds.
        None => Vec::new(),
        Some(currency) => plan_payment(tools, chain, (order.exchange, currency), (ask.buyer, price)).await?,
    };

    let token_id =
        terms.token_id.ok_or_else(|| Error::refused("ORDER_INVALID", "the listing names no token"))?;
    let purchase = Planned::Call(Call {
        title: format!("Buy {quantity}"),
        description: format!(
            "Buys {quantity} of token {token_id} of {} for {} on {}, for {}. {}",
            terms.contract,
            price_text(chain, price, terms.currency),
            chain.name,
            ask.recipient,
            split_text(chain, terms, quantity, "The seller gets"),
        ),
        from: ask.buyer,
        to: order.exchange,
        data: buy(&order, quantity, (ask.buyer, ask.recipient), draw_salt()),
        value: if terms.currency.is_none() { price } else { U256::ZERO },
    });
    let steps = plan(tools, chain, payment.into_iter().chain([purchase]).collect()).await?;
    let subject = Subject {
        contract: Some(terms.contract),
        token_ids: vec![token_id],
        order_id: Some(ask.order_id),
        awaits_catalog,
        ..Subject::of(Kind::Buy, ask.buyer)
    };
    store_prepared(tools, asker, (ask, chain), subject, steps).await
}

fn require_buyer(order: &Stored, ask: &BuyAsk) -> Result<(), Error> {
    let terms = &order.terms;
    if terms.side != Side::Listing {
        return Err(Error::field("order_id", "names an offer, which is accepted"));
    }
    if terms.maker == ask.buyer {
        return Err(Error::refused("ORDER_INVALID", "the listing is the wallet's own"));
    }
    let Some(taker) = terms.taker else { return Ok(()) };
    if taker != ask.buyer {
        return Err(Error::refused("ORDER_INVALID", format!("the listing is for {taker} alone")));
    }
    if ask.recipient != ask.buyer {
        return Err(Error::field("recipient", "must be the buyer: the listing is for one wallet"));
    }
    Ok(())
}

/// Whether the seller can still give what was listed; otherwise the listing may come alive again, and is not to be
/// bought now.
async fn require_seller(order: &Stored, quantity: U256) -> Result<(), Error> {
    let (chain, terms) = (&order.chain, &order.terms);
    let Some(token_id) = terms.token_id else { return Ok(()) };
    let token = (terms.contract, token_id);
    let (held, approved) = tokio::try_join!(
        read_holding(chain, terms.standard, token, terms.maker),
        is_approved(chain, terms.standard, token, (terms.maker, order.exchange)),
    )?;
    if held < quantity {
        return Err(Error::refused("ORDER_INVALID", "the seller does not have what was listed any more"));
    }
    if !approved {
        return Err(Error::refused("ORDER_INVALID", "the seller has taken the exchange's approval back"));
    }
    Ok(())
}
