//! The orders that a maker has open already: listings that an approval would bring back to life, and offers that draw on
//! the same allowance.

use std::collections::BTreeMap;

use abi::seaport::OrderComponents;
use amounts::U256;
use futures::future::try_join_all;
use ids::{Address, TokenId};
use proto::{catalog::v1 as pb, common::v1::ContractRef};

use super::{
    call_exchange::cancel,
    describe::price_text,
    order::{Side, Terms},
    read_chain::{read_counter, refuse},
    read_order::{parse_order, read_on_chain},
};
use crate::{chains::Chain, error::Error, prepare::Tools, simulate::Call};

/// Listings of one token that are looked at, and called off in one step.
const LISTINGS_MAX: i32 = 20;
/// Offers of one maker that are looked at.
const OFFERS_MAX: i32 = 100;

/// A listing that can still be filled, or could be after an approval.
pub(crate) struct Open {
    exchange: Address,
    components: OrderComponents,
    terms: Terms,
    /// How many of the tokens are not sold yet.
    pub(crate) left: U256,
}

/// The maker's listings of a token that the chain would still fill if it could.
pub(crate) async fn find_open_listings(
    tools: &Tools,
    chain: &Chain,
    (contract, token_id): (Address, TokenId),
    maker: Address,
) -> Result<Vec<Open>, Error> {
    let request = pb::ListOrdersRequest {
        side: pb::OrderSide::Listing.into(),
        contract: Some(ContractRef { chain_id: chain.chain_id.to_string(), address: contract.to_lower() }),
        token_id: token_id.to_string(),
        ..of_maker(maker, LISTINGS_MAX)
    };
    let (orders, has_more) = tools.peers.list_orders(request).await?;
    if has_more {
        let message =
            format!("token {token_id} has more than {LISTINGS_MAX} open listings: cancel some of them first");
        return Err(refuse("ORDER_INVALID", message));
    }
    let looks = orders.iter().map(|order| look(chain, maker, order));
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// None for what the chain does not fill any more.
async fn look(chain: &Chain, maker: Address, order: &pb::Order) -> Result<Option<Open>, Error> {
    let (Some((components, terms, hash)), Ok(exchange)) = (parse_order(order), order.exchange.parse()) else {
        return Ok(None);
    };
    if terms.side != Side::Listing || terms.maker != maker {
        return Ok(None);
    }
    let answers = tokio::try_join!(
        read_on_chain(chain, exchange, (hash, terms.quantity)),
        read_counter(chain, exchange, maker),
    );
    let (on_chain, counter) = match answers {
        Ok(answers) => answers,
        // An exchange that is none any more fills nothing.
        Err(Error::ContractUnknown(_)) => return Ok(None),
        Err(err) => return Err(err),
    };
    let left = terms.quantity.saturating_sub(on_chain.filled);
    let is_open = !on_chain.is_cancelled && counter == components.counter && !left.is_zero();
    Ok(is_open.then_some(Open { exchange, components, terms, left }))
}

/// Calls these listings off, at each exchange that has some of them.
pub(crate) fn cancel_listings(chain: &Chain, maker: Address, listings: &[Open]) -> Vec<Call> {
    let mut by_exchange: BTreeMap<Address, Vec<&Open>> = BTreeMap::new();
    for listing in listings {
        by_exchange.entry(listing.exchange).or_default().push(listing);
    }
    let call = |(exchange, listings): (Address, Vec<&Open>)| {
        let prices: Vec<String> = listings
            .iter()
            .map(|listing| price_text(chain, listing.terms.price, listing.terms.currency))
            .collect();
        let what = if listings.len() == 1 { "listing" } else { "listings" };
        let components: Vec<OrderComponents> =
            listings.iter().map(|listing| listing.components.clone()).collect();
        Call {
            title: format!("Cancel {} older {what} of the token", listings.len()),
            description: format!(
                "Cancels your older {what} of this token on {}, for {}: somebody could still buy it for that.",
                chain.name,
                prices.join(" and ")
            ),
            from: maker,
            to: exchange,
            data: cancel(components),
            value: U256::ZERO,
        }
    };
    by_exchange.into_iter().map(call).collect()
}

/// What the maker's open offers in a currency may still take through this exchange.
pub(crate) async fn sum_open_offers(
    tools: &Tools,
    chain: &Chain,
    (exchange, currency): (Address, Address),
    maker: Address,
) -> Result<U256, Error> {
    let request = pb::ListOrdersRequest { side: pb::OrderSide::Offer.into(), ..of_maker(maker, OFFERS_MAX) };
    let ((orders, _), counter) =
        tokio::try_join!(tools.peers.list_orders(request), read_counter(chain, exchange, maker))?;
    let (chain_id, exchange) = (chain.chain_id.to_string(), exchange.to_lower());
    let here = orders.iter().filter(|order| order.chain_id == chain_id && order.exchange == exchange);
    let open = here.filter_map(|order| {
        let (components, terms, _) = parse_order(order)?;
        let is_ours = terms.side == Side::Offer && terms.maker == maker && terms.currency == Some(currency);
        let filled = amounts::parse(&order.quantity_filled).unwrap_or_default();
        let left = terms.quantity.saturating_sub(filled);
        (is_ours && components.counter == counter).then(|| terms.part(terms.price, left))
    });
    Ok(open.fold(U256::ZERO, U256::saturating_add))
}

fn of_maker(maker: Address, page_size: i32) -> pb::ListOrdersRequest {
    pb::ListOrdersRequest {
        // A listing that cannot be filled now can be after an approval.
        statuses: vec![pb::OrderStatus::Active.into(), pb::OrderStatus::Inactive.into()],
        maker: maker.to_lower(),
        page_size,
        ..pb::ListOrdersRequest::default()
    }
}
