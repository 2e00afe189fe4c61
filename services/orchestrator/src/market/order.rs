//! An order: its terms, what of them is signed, and its hash. Pure: what is signed is made from the terms, and the terms
//! are read back from what was signed, never from what somebody says of it.

use abi::seaport::{
    ConsiderationItem, DOMAIN_NAME, DOMAIN_VERSION, FULL_OPEN, OfferItem, OrderComponents, OrderParameters,
    PARTIAL_OPEN, item,
};
use alloy::{
    primitives::{Address as Raw, B256},
    sol_types::{Eip712Domain, SolStruct, eip712_domain},
};
use amounts::U256;
use ids::{Address, ChainId, OrderHash, TokenId};
use serde_json::{Value, json};

use crate::ask::Standard;

/// Seaport counts fractions in 120 bits.
pub(crate) const QUANTITY_BITS: usize = 120;

/// Who makes an order: somebody who has the tokens, or somebody who wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Listing,
    Offer,
}

/// What goes to a creator, out of the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Royalty {
    pub(crate) receiver: Address,
    pub(crate) amount: U256,
}

/// What an order says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) side: Side,
    pub(crate) maker: Address,
    /// Of a listing for one buyer.
    pub(crate) taker: Option<Address>,
    pub(crate) standard: Standard,
    pub(crate) contract: Address,
    /// None: any token of the contract, for offers.
    pub(crate) token_id: Option<TokenId>,
    pub(crate) quantity: U256,
    /// For all of them together, the royalty included.
    pub(crate) price: U256,
    /// An ERC-20; None for the native currency.
    pub(crate) currency: Option<Address>,
    pub(crate) royalty: Option<Royalty>,
    /// Seconds since 1970.
    pub(crate) starts_at: u64,
    pub(crate) ends_at: u64,
}

impl Terms {
    /// What the maker signs.
    pub(crate) fn components(&self, salt: U256, counter: U256) -> OrderComponents {
        let token = self.token();
        let to = |amount: U256, recipient: Address| {
            let money = self.money(amount);
            ConsiderationItem {
                itemType: money.itemType,
                token: money.token,
                identifierOrCriteria: money.identifierOrCriteria,
                startAmount: amount,
                endAmount: amount,
                recipient: recipient.into(),
            }
        };
        let royalty = self.royalty.map(|royalty| to(royalty.amount, royalty.receiver));
        let (offer, consideration) = match self.side {
            Side::Listing => {
                let own = self.net();
                let own = (!own.is_zero()).then(|| to(own, self.maker));
                let taker = self.taker.map(|taker| received(&token, taker));
                (token, own.into_iter().chain(royalty).chain(taker).collect())
            }
            Side::Offer => {
                let wanted = received(&token, self.maker);
                (self.money(self.price), std::iter::once(wanted).chain(royalty).collect())
            }
        };
        let is_partial = self.quantity > U256::from(1) && self.taker.is_none();
        OrderComponents {
            offerer: self.maker.into(),
            zone: Raw::ZERO,
            offer: vec![offer],
            consideration,
            orderType: if is_partial { PARTIAL_OPEN } else { FULL_OPEN },
            startTime: U256::from(self.starts_at),
            endTime: U256::from(self.ends_at),
            zoneHash: B256::ZERO,
            salt,
            conduitKey: B256::ZERO,
            counter,
        }
    }

    /// The terms of what was signed; None for a shape that is not made here.
    pub(crate) fn of(components: &OrderComponents) -> Option<Terms> {
        let [offered] = components.offer.as_slice() else { return None };
        let maker = Address::from(components.offerer);
        let mut rest = components.consideration.as_slice();
        let (side, token, mut taker) = match offered.itemType {
            item::ERC721 | item::ERC1155 => {
                let to_taker = rest.split_last().filter(|(last, _)| last.itemType == offered.itemType);
                let taker = to_taker.map(|(last, before)| {
                    rest = before;
                    Address::from(last.recipient)
                });
                (Side::Listing, offered.clone(), taker)
            }
            item::ERC20 => {
                let (wanted, royalty) = rest.split_first()?;
                rest = royalty;
                (Side::Offer, given(wanted), None)
            }
            _ => return None,
        };
        taker = taker.filter(|taker| !taker.is_zero());
        let (standard, is_any) = match token.itemType {
            item::ERC721 => (Standard::Erc721, false),
            item::ERC1155 => (Standard::Erc1155, false),
            item::ERC721_WITH_CRITERIA => (Standard::Erc721, true),
            item::ERC1155_WITH_CRITERIA => (Standard::Erc1155, true),
            _ => return None,
        };
        let is_makers =
            |item: &&ConsiderationItem| side == Side::Listing && item.recipient == components.offerer;
        let own = rest.first().filter(is_makers);
        let royalty = rest.get(usize::from(own.is_some()));
        let money = if side == Side::Offer { Some(offered.clone()) } else { rest.first().map(given) }?;
        let paid = rest.iter().try_fold(U256::ZERO, |sum, item| sum.checked_add(item.startAmount))?;
        let terms = Terms {
            side,
            maker,
            taker,
            standard,
            contract: token.token.into(),
            token_id: (!is_any).then(|| TokenId::new(token.identifierOrCriteria)),
            quantity: token.startAmount,
            price: if side == Side::Offer { offered.startAmount } else { paid },
            currency: (money.itemType == item::ERC20).then(|| money.token.into()),
            royalty: royalty
                .map(|item| Royalty { receiver: item.recipient.into(), amount: item.startAmount }),
            starts_at: components.startTime.try_into().ok()?,
            ends_at: components.endTime.try_into().ok()?,
        };
        // Whatever is not said above makes the order another one than these terms give.
        let is_whole = terms.royalty.is_none_or(|royalty| royalty.amount <= terms.price);
        let is_same = is_whole && terms.components(components.salt, components.counter) == *components;
        (is_same && !terms.quantity.is_zero() && terms.quantity.bit_len() <= QUANTITY_BITS).then_some(terms)
    }

    /// What the seller gets of the price.
    pub(crate) fn net(&self) -> U256 {
        self.price.saturating_sub(self.royalty.map_or(U256::ZERO, |royalty| royalty.amount))
    }

    /// What so many of the tokens cost, or bring to the creator; amounts are whole multiples of the quantity.
    pub(crate) fn part(&self, amount: U256, quantity: U256) -> U256 {
        amount.checked_div(self.quantity).unwrap_or_default().saturating_mul(quantity)
    }

    /// The token of the order, as Seaport counts items.
    pub(crate) fn token(&self) -> OfferItem {
        let (standard, criteria) = match self.standard {
            Standard::Erc721 => (item::ERC721, item::ERC721_WITH_CRITERIA),
            Standard::Erc1155 => (item::ERC1155, item::ERC1155_WITH_CRITERIA),
        };
        let (item_type, identifier) = match self.token_id {
            Some(id) => (standard, id.number()),
            None => (criteria, U256::ZERO),
        };
        OfferItem {
            itemType: item_type,
            token: self.contract.into(),
            identifierOrCriteria: identifier,
            startAmount: self.quantity,
            endAmount: self.quantity,
        }
    }

    /// So much of the order's currency.
    pub(crate) fn money(&self, amount: U256) -> OfferItem {
        let (item_type, token) = match self.currency {
            Some(currency) => (item::ERC20, currency.into()),
            None => (item::NATIVE, Raw::ZERO),
        };
        OfferItem {
            itemType: item_type,
            token,
            identifierOrCriteria: U256::ZERO,
            startAmount: amount,
            endAmount: amount,
        }
    }
}

/// An item that goes to somebody.
pub(crate) fn received(item: &OfferItem, recipient: Address) -> ConsiderationItem {
    ConsiderationItem {
        itemType: item.itemType,
        token: item.token,
        identifierOrCriteria: item.identifierOrCriteria,
        startAmount: item.startAmount,
        endAmount: item.endAmount,
        recipient: recipient.into(),
    }
}

fn given(item: &ConsiderationItem) -> OfferItem {
    OfferItem {
        itemType: item.itemType,
        token: item.token,
        identifierOrCriteria: item.identifierOrCriteria,
        startAmount: item.startAmount,
        endAmount: item.endAmount,
    }
}

/// What the contract is told of an order.
pub(crate) fn parameters(components: &OrderComponents) -> OrderParameters {
    let OrderComponents { offerer, zone, orderType, startTime, endTime, zoneHash, salt, conduitKey, .. } =
        *components;
    OrderParameters {
        offerer,
        zone,
        offer: components.offer.clone(),
        consideration: components.consideration.clone(),
        orderType,
        startTime,
        endTime,
        zoneHash,
        salt,
        conduitKey,
        totalOriginalConsiderationItems: U256::from(components.consideration.len()),
    }
}

/// The name of an order at its exchange.
pub(crate) fn order_hash(components: &OrderComponents) -> OrderHash {
    components.eip712_hash_struct().into()
}

/// What a key signs.
pub(crate) fn signing_hash(components: &OrderComponents, chain_id: ChainId, exchange: Address) -> B256 {
    components.eip712_signing_hash(&domain(chain_id, exchange))
}

/// By what signatures for one exchange differ from those for others.
pub(crate) fn domain(chain_id: ChainId, exchange: Address) -> Eip712Domain {
    eip712_domain! {
        name: DOMAIN_NAME,
        version: DOMAIN_VERSION,
        chain_id: chain_id.number(),
        verifying_contract: Raw::from(exchange),
    }
}

/// The order as `eth_signTypedData_v4` takes it, and viem's `signTypedData`: whole numbers are decimal text.
pub(crate) fn typed_data(components: &OrderComponents, chain_id: ChainId, exchange: Address) -> Value {
    let fields = |fields: &[(&str, &str)]| -> Value {
        fields.iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect()
    };
    let item = [
        ("itemType", "uint8"),
        ("token", "address"),
        ("identifierOrCriteria", "uint256"),
        ("startAmount", "uint256"),
        ("endAmount", "uint256"),
    ];
    let received: Vec<(&str, &str)> = item.into_iter().chain([("recipient", "address")]).collect();
    json!({
        "types": {
            "EIP712Domain": fields(&[
                ("name", "string"),
                ("version", "string"),
                ("chainId", "uint256"),
                ("verifyingContract", "address"),
            ]),
            "OrderComponents": fields(&[
                ("offerer", "address"),
                ("zone", "address"),
                ("offer", "OfferItem[]"),
                ("consideration", "ConsiderationItem[]"),
                ("orderType", "uint8"),
                ("startTime", "uint256"),
                ("endTime", "uint256"),
                ("zoneHash", "bytes32"),
                ("salt", "uint256"),
                ("conduitKey", "bytes32"),
                ("counter", "uint256"),
            ]),
            "OfferItem": fields(&item),
            "ConsiderationItem": fields(&received),
        },
        "primaryType": "OrderComponents",
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            // A wallet compares it with its own network's, which some do only for a number.
            "chainId": chain_id.number(),
            "verifyingContract": exchange.to_lower(),
        },
        "message": message(components),
    })
}

/// The message of the typed data: what the catalog keeps of an order.
pub(crate) fn message(components: &OrderComponents) -> Value {
    let hex = |address: Raw| Address::from(address).to_lower();
    let offer = |item: &OfferItem| {
        json!({
            "itemType": item.itemType.to_string(),
            "token": hex(item.token),
            "identifierOrCriteria": item.identifierOrCriteria.to_string(),
            "startAmount": item.startAmount.to_string(),
            "endAmount": item.endAmount.to_string(),
        })
    };
    let consideration = |item: &ConsiderationItem| {
        let mut value = offer(&given(item));
        value["recipient"] = hex(item.recipient).into();
        value
    };
    json!({
        "offerer": hex(components.offerer),
        "zone": hex(components.zone),
        "offer": components.offer.iter().map(offer).collect::<Vec<_>>(),
        "consideration": components.consideration.iter().map(consideration).collect::<Vec<_>>(),
        "orderType": components.orderType.to_string(),
        "startTime": components.startTime.to_string(),
        "endTime": components.endTime.to_string(),
        "zoneHash": components.zoneHash.to_string(),
        "salt": components.salt.to_string(),
        "conduitKey": components.conduitKey.to_string(),
        "counter": components.counter.to_string(),
    })
}

/// The components that such a message holds.
pub(crate) fn parse_message(message: &Value) -> Option<OrderComponents> {
    let offer = |item: &Value| {
        Some(OfferItem {
            itemType: small(&item["itemType"])?,
            token: item["token"].as_str()?.parse().ok()?,
            identifierOrCriteria: whole(&item["identifierOrCriteria"])?,
            startAmount: whole(&item["startAmount"])?,
            endAmount: whole(&item["endAmount"])?,
        })
    };
    let consideration = |item: &Value| {
        let recipient: Raw = item["recipient"].as_str()?.parse().ok()?;
        Some(received(&offer(item)?, recipient.into()))
    };
    Some(OrderComponents {
        offerer: message["offerer"].as_str()?.parse().ok()?,
        zone: message["zone"].as_str()?.parse().ok()?,
        offer: message["offer"].as_array()?.iter().map(offer).collect::<Option<_>>()?,
        consideration: message["consideration"]
            .as_array()?
            .iter()
            .map(consideration)
            .collect::<Option<_>>()?,
        orderType: small(&message["orderType"])?,
        startTime: whole(&message["startTime"])?,
        endTime: whole(&message["endTime"])?,
        zoneHash: message["zoneHash"].as_str()?.parse().ok()?,
        salt: whole(&message["salt"])?,
        conduitKey: message["conduitKey"].as_str()?.parse().ok()?,
        counter: whole(&message["counter"])?,
    })
}

/// The order that a step's typed data holds, and the exchange that it is signed for.
pub(crate) fn parse_typed_data(typed_data: &Value) -> Option<(OrderComponents, Address)> {
    let exchange = typed_data["domain"]["verifyingContract"].as_str()?.parse().ok()?;
    Some((parse_message(&typed_data["message"])?, exchange))
}

fn whole(value: &Value) -> Option<U256> {
    amounts::parse(value.as_str()?).ok()
}

fn small(value: &Value) -> Option<u8> {
    value.as_str()?.parse().ok()
}
