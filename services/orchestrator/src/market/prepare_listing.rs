//! Prepares a listing: older listings of the token are called off, the exchange's approval comes where it is missing, then
//! the order to sign.

use alloy::primitives::U256;

use super::{
    ask::ListingAsk,
    call_exchange::approve_token,
    describe::{mute_text, price_text, split_text, times_text},
    draw_salt::draw_salt,
    find_open_orders::{Open, cancel_listings, find_open_listings, find_revived_listings},
    order::{Side, Terms, typed_data},
    read_chain::{read_approval, read_counter, read_holding, read_royalty, read_standard, read_times},
    require_exchange::{require_currency, require_exchange},
};
use crate::{
    ask::{Standard, request_hash},
    error::Error,
    model::{Kind, now},
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    simulate::{Planned, plan},
};

pub(crate) async fn prepare_listing(
    tools: &Tools,
    asker: &Asker,
    ask: &ListingAsk,
) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(ask.violations(now().timestamp().unsigned_abs()))?;
    let (chain, owned) = tokio::join!(
        tools.chains.get_enabled(ask.chain_id),
        tools.peers.require_wallet(asker.user_id, ask.seller, ask.chain_id),
    );
    let chain = chain?;
    owned?;
    require_currency(&chain, ask.currency)?;
    let exchange = require_exchange(tools, &chain).await?;
    let standard = read_standard(&chain, ask.contract).await?;
    if standard == Standard::Erc721 && ask.quantity != U256::from(1) {
        return Err(Error::field("quantity", "must be 1 for an ERC-721"));
    }
    let token = (ask.contract, ask.token_id);
    let (held, approval, told, counter, times) = tokio::try_join!(
        read_holding(&chain, standard, token, ask.seller),
        read_approval(&chain, standard, token, (ask.seller, exchange)),
        read_royalty(&chain, token, (ask.price, ask.quantity), (Some(ask.seller), tools.royalty_max_bps)),
        read_counter(&chain, exchange, ask.seller),
        read_times(&chain),
    )?;
    if held < ask.quantity {
        let message = format!("{} has {held} of token {} of {}", ask.seller, ask.token_id, ask.contract);
        return Err(Error::refused("NOT_OWNER", message));
    }
    let mut older = find_open_listings(tools, &chain, (ask.contract, Some(ask.token_id)), ask.seller).await?;
    match (standard, approval.is_given) {
        (Standard::Erc1155, true) if have_room(&older, ask.quantity, held) => older.clear(),
        // The only approval that there is covers the other tokens as well.
        (Standard::Erc1155, false) => {
            let scope = (ask.contract, None);
            let revived = find_revived_listings(tools, &chain, scope, (ask.seller, exchange)).await?;
            older.extend(revived.into_iter().filter(|listing| !listing.is_of(ask.token_id)));
        }
        _ => {}
    }
    let terms = Terms {
        side: Side::Listing,
        maker: ask.seller,
        taker: ask.taker,
        standard,
        contract: ask.contract,
        token_id: Some(ask.token_id),
        quantity: ask.quantity,
        price: ask.price,
        currency: ask.currency,
        royalty: told.royalty,
        // From the newest block on, so that a listing of now is open at once also where blocks are rare.
        starts_at: ask.starts_at.unwrap_or(times.head.min(times.clock)),
        ends_at: ask.ends_at,
    };
    let components = terms.components(draw_salt(), counter);
    let buyer = ask.taker.map_or_else(|| "to anybody".to_owned(), |taker| format!("to {taker} alone"));
    let signature = Planned::Signature {
        title: format!("List {}", ask.quantity),
        description: format!(
            "Offers {} of token {} of {} for {} on {}, {buyer}, {}. {}{}",
            ask.quantity,
            ask.token_id,
            ask.contract,
            price_text(&chain, ask.price, ask.currency),
            chain.name,
            times_text(&terms),
            split_text(&chain, &terms, ask.quantity, "You get"),
            mute_text(&told),
        ),
        typed_data: typed_data(&components, ask.chain_id, exchange),
    };
    // The cancellation comes first: an approval would bring the older listings back to life.
    let cancellation = cancel_listings(&chain, ask.seller, Some(ask.token_id), &older);
    let mut planned: Vec<Planned> = cancellation.into_iter().map(Planned::Call).collect();
    if !approval.is_given {
        let call = approve_token(ask.seller, standard, token, (exchange, approval.other));
        planned.push(Planned::Call(call));
    }
    planned.push(signature);
    let steps = plan(tools, &chain, planned).await?;
    let subject = Subject {
        contract: Some(ask.contract),
        token_ids: vec![ask.token_id],
        ..Subject::of(Kind::List, ask.seller)
    };
    store_prepared(tools, asker, (ask, &chain), subject, steps).await
}

/// Whether all listings together sell no more editions than the seller has.
fn have_room(older: &[Open], quantity: U256, held: U256) -> bool {
    older.iter().fold(quantity, |sum, listing| sum.saturating_add(listing.left)) <= held
}
