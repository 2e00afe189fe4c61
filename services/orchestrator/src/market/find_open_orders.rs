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
    read_chain::{is_approved, read_counter, read_holding},
    read_order::{parse_order, read_on_chain},
};
use crate::{chains::Chain, error::Error, prepare::Tools, simulate::Call};

/// Listings of one token, or of one contract, that are looked at, and called off in one step.
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

impl Open {
    pub(crate) fn is_of(&self, token_id: TokenId) -> bool {
        self.terms.token_id == Some(token_id)
    }
}

/// The maker's listings of a token, or of all tokens of a contract, that the chain would still fill if it could.
pub(crate) async fn find_open_listings(
    tools: &Tools,
    chain: &Chain,
    (contract, token_id): (Address, Option<TokenId>),
    maker: Address,
) -> Result<Vec<Open>, Error> {
    let request = pb::ListOrdersRequest {
        side: pb::OrderSide::Listing.into(),
        contract: Some(ContractRef { chain_id: chain.chain_id.to_string(), address: contract.to_lower() }),
        token_id: token_id.map(|token_id| token_id.to_string()).unwrap_or_default(),
        ..of_maker(maker, LISTINGS_MAX)
    };
    let (orders, has_more) = tools.peers.list_orders(request).await?;
    if has_more {
        let what = token_id.map_or_else(|| contract.to_string(), |token_id| format!("token {token_id}"));
        let message =
            format!("{what} has more than {LISTINGS_MAX} open listings of yours: cancel some of them first");
        return Err(Error::refused("ORDER_INVALID", message));
    }
    let looks = orders.iter().map(|order| look(chain, maker, order));
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// Those of them that an approval of the exchange would bring back to life: what can be filled already stays as it is.
pub(crate) async fn find_revived_listings(
    tools: &Tools,
    chain: &Chain,
    scope: (Address, Option<TokenId>),
    (maker, exchange): (Address, Address),
) -> Result<Vec<Open>, Error> {
    let open = find_open_listings(tools, chain, scope, maker).await?;
    let revived = try_join_all(open.iter().map(|listing| is_revived(chain, listing, exchange))).await?;
    Ok(open
        .into_iter()
        .zip(revived)
        .filter_map(|(listing, is_revived)| is_revived.then_some(listing))
        .collect())
}

/// Whether nothing but the approval is missing.
async fn is_revived(chain: &Chain, listing: &Open, exchange: Address) -> Result<bool, Error> {
    let Terms { standard, contract, maker, .. } = listing.terms;
    let Some(token_id) = listing.terms.token_id.filter(|_| listing.exchange == exchange) else {
        return Ok(false);
    };
    let token = (contract, token_id);
    let (held, approved) = tokio::try_join!(
        read_holding(chain, standard, token, maker),
        is_approved(chain, standard, token, (maker, exchange)),
    )?;
    Ok(!held.is_zero() && !approved)
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

/// Calls these listings off, at each exchange that has some of them; `token_id` is the one token that it is about.
pub(crate) fn cancel_listings(
    chain: &Chain,
    maker: Address,
    token_id: Option<TokenId>,
    listings: &[Open],
) -> Vec<Call> {
    let mut by_exchange: BTreeMap<Address, Vec<&Open>> = BTreeMap::new();
    for listing in listings {
        by_exchange.entry(listing.exchange).or_default().push(listing);
    }
    let call = |(exchange, listings): (Address, Vec<&Open>)| {
        let is_of_one =
            listings.iter().all(|listing| token_id.is_some_and(|token_id| listing.is_of(token_id)));
        let named = |listing: &&Open| {
            let price = price_text(chain, listing.terms.price, listing.terms.currency);
            match listing.terms.token_id.filter(|_| !is_of_one) {
                Some(token_id) => format!("token {token_id} for {price}"),
                None => format!("for {price}"),
            }
        };
        let named: Vec<String> = listings.iter().map(named).collect();
        let what = if listings.len() == 1 { "listing" } else { "listings" };
        let whose = if is_of_one { "the token" } else { "the collection" };
        let components: Vec<OrderComponents> =
            listings.iter().map(|listing| listing.components.clone()).collect();
        Call {
            title: format!("Cancel {} older {what} of {whose}", listings.len()),
            description: format!(
                "Cancels your older {what} of {whose} on {}, {}: somebody could still buy for that.",
                chain.name,
                named.join(" and ")
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
    let ((orders, has_more), counter) =
        tokio::try_join!(tools.peers.list_orders(request), read_counter(chain, exchange, maker))?;
    if has_more {
        let message = format!("{maker} has more than {OFFERS_MAX} open offers: cancel some of them first");
        return Err(Error::refused("ORDER_INVALID", message));
    }
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
