//! The calls that takers and makers send: to the exchange, and to tokens and currencies that the exchange may then move.

use abi::seaport::{
    AdvancedOrder, ConsiderationItem, CriteriaResolver, FULL_OPEN, Fulfillment, FulfillmentComponent,
    OfferItem, Order, OrderComponents, OrderParameters, SIDE_CONSIDERATION,
    Seaport::{cancelCall, fulfillAdvancedOrderCall, fulfillOrderCall, matchAdvancedOrdersCall},
    item,
};
use alloy::{
    primitives::{Address as Raw, B256, Bytes, aliases::U120},
    sol_types::SolCall,
};
use amounts::U256;
use ids::{Address, TokenId};

use super::{
    describe::replaced_text,
    order::{Terms, parameters, received},
    read_order::Stored,
};
use crate::{ask::Standard, encode, simulate::Call};

/// Lets the exchange move all tokens of a contract that a wallet has.
fn approve_all(owner: Address, contract: Address, exchange: Address) -> Call {
    Call {
        title: "Approve the exchange".to_owned(),
        description: format!(
            "Lets the exchange {exchange} move your tokens of {contract} when they are sold."
        ),
        from: owner,
        to: contract,
        data: encode::approve_all(exchange, true),
        value: U256::ZERO,
    }
}

/// Lets the exchange move what is about to be sold: one token, where the standard has approvals of one. `other` has that of
/// this token now.
pub(crate) fn approve_token(
    owner: Address,
    standard: Standard,
    (contract, token_id): (Address, TokenId),
    (exchange, other): (Address, Option<Address>),
) -> Call {
    match standard {
        Standard::Erc1155 => approve_all(owner, contract, exchange),
        Standard::Erc721 => Call {
            title: "Approve the exchange".to_owned(),
            description: format!(
                "Lets the exchange {exchange} move your token {token_id} of {contract}.{}",
                replaced_text(other)
            ),
            from: owner,
            to: contract,
            data: encode::approve_token(Some(exchange), token_id),
            value: U256::ZERO,
        },
    }
}

/// Lets the exchange take so much of a currency.
pub(crate) fn approve_spending(
    owner: Address,
    (exchange, currency): (Address, Address),
    amount: U256,
    (title, description): (&str, String),
) -> Call {
    Call {
        title: title.to_owned(),
        description,
        from: owner,
        to: currency,
        data: encode::approve_amount(exchange, amount),
        value: U256::ZERO,
    }
}

/// Buys so many of a listing's tokens. A listing for one buyer names its tokens' receiver, so that it is matched with an
/// order of the buyer, who sends it and need not sign it.
pub(crate) fn buy(
    order: &Stored,
    quantity: U256,
    (buyer, recipient): (Address, Address),
    salt: U256,
) -> Vec<u8> {
    let terms = &order.terms;
    let is_whole = order.components.orderType == FULL_OPEN;
    if terms.taker.is_some() {
        return buy_as_named(order, buyer, salt);
    }
    if is_whole && buyer == recipient {
        let order =
            Order { parameters: parameters(&order.components), signature: order.signature.clone().into() };
        return fulfillOrderCall { order, fulfillerConduitKey: B256::ZERO }.abi_encode();
    }
    fulfillAdvancedOrderCall {
        advancedOrder: part_of(order, quantity),
        criteriaResolvers: Vec::new(),
        fulfillerConduitKey: B256::ZERO,
        recipient: recipient.into(),
    }
    .abi_encode()
}

fn buy_as_named(order: &Stored, buyer: Address, salt: U256) -> Vec<u8> {
    let terms = &order.terms;
    let payments = order.components.consideration.len().saturating_sub(1);
    let counter = counterpart(order, buyer, (vec![terms.money(terms.price)], Vec::new()), salt);
    let token = fulfillment((0, 0), (0, payments));
    let payments = (0..payments).map(|at| fulfillment((1, 0), (0, at)));
    matchAdvancedOrdersCall {
        orders: vec![part_of(order, terms.quantity), counter],
        criteriaResolvers: Vec::new(),
        fulfillments: std::iter::once(token).chain(payments).collect(),
        recipient: Raw::ZERO,
    }
    .abi_encode()
}

/// Sells so many tokens into an offer. The offer is matched with an order of the seller, who sends it and need not sign
/// it: in it stands what the seller gets, and the creator's part comes out of what was offered.
pub(crate) fn accept(
    order: &Stored,
    quantity: U256,
    (seller, token_id): (Address, TokenId),
    salt: U256,
) -> Vec<u8> {
    let terms = &order.terms;
    let token = OfferItem {
        itemType: match terms.standard {
            Standard::Erc721 => item::ERC721,
            Standard::Erc1155 => item::ERC1155,
        },
        identifierOrCriteria: token_id.number(),
        startAmount: quantity,
        endAmount: quantity,
        ..terms.token()
    };
    let net = terms.part(terms.net(), quantity);
    let own: Vec<ConsiderationItem> =
        if net.is_zero() { Vec::new() } else { vec![received(&terms.money(net), seller)] };
    let own_fulfillment = (!own.is_empty()).then(|| fulfillment((0, 0), (1, 0)));
    let royalty = terms.royalty.map(|_| fulfillment((0, 0), (0, 1)));
    let resolver = CriteriaResolver {
        orderIndex: U256::ZERO,
        side: SIDE_CONSIDERATION,
        index: U256::ZERO,
        identifier: token_id.number(),
        criteriaProof: Vec::new(),
    };
    let fulfillments = [Some(fulfillment((1, 0), (0, 0))), royalty, own_fulfillment];
    matchAdvancedOrdersCall {
        orders: vec![part_of(order, quantity), counterpart(order, seller, (vec![token], own), salt)],
        criteriaResolvers: if terms.token_id.is_none() { vec![resolver] } else { Vec::new() },
        fulfillments: fulfillments.into_iter().flatten().collect(),
        recipient: Raw::ZERO,
    }
    .abi_encode()
}

/// Calls orders off.
pub(crate) fn cancel(orders: Vec<OrderComponents>) -> Vec<u8> {
    cancelCall { orders }.abi_encode()
}

/// So many of an order's tokens, as a fraction of it.
fn part_of(order: &Stored, quantity: U256) -> AdvancedOrder {
    let (numerator, denominator) = if order.components.orderType == FULL_OPEN {
        (U256::from(1), U256::from(1))
    } else {
        (quantity, order.terms.quantity)
    };
    AdvancedOrder {
        parameters: parameters(&order.components),
        numerator: U120::saturating_from(numerator),
        denominator: U120::saturating_from(denominator),
        signature: order.signature.clone().into(),
        extraData: Bytes::new(),
    }
}

/// The other half of a match: of whoever sends the transaction, so that it needs no signature.
fn counterpart(
    order: &Stored,
    sender: Address,
    (offer, consideration): (Vec<OfferItem>, Vec<ConsiderationItem>),
    salt: U256,
) -> AdvancedOrder {
    let OrderComponents { startTime, endTime, .. } = order.components;
    AdvancedOrder {
        parameters: OrderParameters {
            offerer: sender.into(),
            zone: Raw::ZERO,
            totalOriginalConsiderationItems: U256::from(consideration.len()),
            offer,
            consideration,
            orderType: FULL_OPEN,
            startTime,
            endTime,
            zoneHash: B256::ZERO,
            salt,
            conduitKey: B256::ZERO,
        },
        numerator: U120::from(1),
        denominator: U120::from(1),
        signature: Bytes::new(),
        extraData: Bytes::new(),
    }
}

fn fulfillment(offer: (usize, usize), consideration: (usize, usize)) -> Fulfillment {
    let component = |(order, item): (usize, usize)| {
        vec![FulfillmentComponent { orderIndex: U256::from(order), itemIndex: U256::from(item) }]
    };
    Fulfillment { offerComponents: component(offer), considerationComponents: component(consideration) }
}

/// What so many of a listing's tokens cost.
pub(crate) fn cost(terms: &Terms, quantity: U256) -> U256 {
    terms.part(terms.price, quantity)
}
