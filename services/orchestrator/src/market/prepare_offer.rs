//! Prepares an offer for a token, or for any token of a collection: the currency's approval where it is missing, then the
//! order to sign.

use alloy::primitives::U256;
use ids::TokenId;

use super::{
    ask::OfferAsk,
    describe::{mute_text, price_text, split_text, times_text},
    draw_salt::draw_salt,
    order::{Side, Terms, typed_data},
    plan_payment::plan_payment,
    read_chain::{read_counter, read_holding, read_royalty, read_standard, read_times},
    require_exchange::{require_currency, require_exchange},
};
use crate::{
    ask::{Standard, request_hash},
    error::Error,
    model::{Kind, now},
    prepare::{Asker, Prepared, Subject, Tools, find_prepared, require_valid, store_prepared},
    simulate::{Planned, plan},
};

pub(crate) async fn prepare_offer(tools: &Tools, asker: &Asker, ask: &OfferAsk) -> Result<Prepared, Error> {
    // A repeated request gets its answer also when what it asks for is not possible any more.
    if let Some(prepared) = find_prepared(&tools.db, asker, &request_hash(ask)).await? {
        return Ok(prepared);
    }
    require_valid(ask.violations(now().timestamp().unsigned_abs()))?;
    let (chain, owned) = tokio::join!(
        tools.chains.get_enabled(ask.chain_id),
        tools.peers.require_wallet(asker.user_id, ask.buyer, ask.chain_id),
    );
    let chain = chain?;
    owned?;
    let currency = ask.currency.or(chain.wrapped_native);
    let no_currency = || Error::field("currency", "must be named: this chain has no wrapped currency");
    let currency = currency.ok_or_else(no_currency)?;
    require_currency(&chain, Some(currency))?;
    let exchange = require_exchange(tools, &chain).await?;
    let standard = read_standard(&chain, ask.contract).await?;
    if standard == Standard::Erc721 && ask.quantity != U256::from(1) {
        // Seaport takes one ERC-721 token an item.
        return Err(Error::field("quantity", "must be 1: make an offer for each token"));
    }
    // A royalty is asked for by a token that there is: of any token, one that the catalog knows is as good as another.
    let known = match ask.token_id {
        Some(token_id) => Some(token_id),
        None => tools.peers.find_any_token(ask.chain_id, ask.contract).await?,
    };
    let token = (ask.contract, known.unwrap_or(TokenId::new(U256::ZERO)));
    let (payment, told, counter, times, held) = tokio::try_join!(
        plan_payment(tools, &chain, (exchange, currency), (ask.buyer, ask.price)),
        read_royalty(&chain, token, (ask.price, ask.quantity), (None, tools.royalty_max_bps)),
        read_counter(&chain, exchange, ask.buyer),
        read_times(&chain),
        read_holding(&chain, standard, token, ask.buyer),
    )?;
    if standard == Standard::Erc721 && ask.token_id.is_some() && !held.is_zero() {
        return Err(Error::refused("ORDER_INVALID", "the token is the wallet's own"));
    }
    let terms = Terms {
        side: Side::Offer,
        maker: ask.buyer,
        taker: None,
        standard,
        contract: ask.contract,
        token_id: ask.token_id,
        quantity: ask.quantity,
        price: ask.price,
        currency: Some(currency),
        royalty: told.royalty,
        starts_at: times.head.min(times.clock),
        ends_at: ask.ends_at,
    };
    let components = terms.components(draw_salt(), counter);
    let what = match ask.token_id {
        Some(token_id) => format!("{} of token {token_id}", ask.quantity),
        None => format!("{} of any token", ask.quantity),
    };
    let signature = Planned::Signature {
        title: format!("Offer for {}", ask.quantity),
        description: format!(
            "Offers {} for {what} of {} on {}, to whoever has it, {}. {}{}",
            price_text(&chain, ask.price, Some(currency)),
            ask.contract,
            chain.name,
            times_text(&terms),
            split_text(&chain, &terms, ask.quantity, "The seller gets"),
            mute_text(&told),
        ),
        typed_data: typed_data(&components, ask.chain_id, exchange),
    };
    let steps = plan(tools, &chain, payment.into_iter().chain([signature]).collect()).await?;
    let subject = Subject {
        contract: Some(ask.contract),
        token_ids: ask.token_id.into_iter().collect(),
        ..Subject::of(Kind::Offer, ask.buyer)
    };
    store_prepared(tools, asker, (ask, &chain), subject, steps).await
}
