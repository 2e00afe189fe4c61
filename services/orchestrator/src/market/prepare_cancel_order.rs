//! Prepares cancelling a listing or an offer of one's own, at the exchange.

use alloy::primitives::U256;

use super::{
    ask::CancelAsk,
    call_exchange::cancel,
    order::Side,
    read_order::{read_any_order, require_alive},
};
use crate::{
    ask::request_hash,
    error::Error,
    model::Kind,
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, store_prepared},
    simulate::{Call, Planned, plan},
};

pub(crate) async fn prepare_cancel_order(
    tools: &Tools,
    asker: &Asker,
    ask: &CancelAsk,
) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    let order = read_any_order(tools, ask.order_id).await?;
    let (chain, terms) = (&order.chain, &order.terms);
    tools.peers.require_wallet(asker.user_id, ask.maker, chain.chain_id).await?;
    if terms.maker != ask.maker {
        return Err(Error::refused("NOT_OWNER", format!("the order is {}'s", terms.maker)));
    }
    require_alive(&order).await?;
    let what = match terms.side {
        Side::Listing => "listing",
        Side::Offer => "offer",
    };
    let call = Planned::Call(Call {
        title: format!("Cancel the {what}"),
        description: format!("Cancels your {what} for {} at the exchange on {}.", terms.contract, chain.name),
        from: ask.maker,
        to: order.exchange,
        data: cancel(vec![order.components.clone()]),
        value: U256::ZERO,
    });
    let steps = plan(tools, chain, vec![call]).await?;
    let subject = Subject {
        contract: Some(terms.contract),
        token_ids: terms.token_id.into_iter().collect(),
        order_id: Some(ask.order_id),
        ..Subject::of(Kind::CancelListing, ask.maker)
    };
    store_prepared(tools, asker, (ask, chain), subject, steps).await
}
