//! Orders between the wire and our nouns.

use amounts::U256;
use chrono::{DateTime, Utc};
use ids::{Address, ChainId, OrderHash, TokenId};
use proto::{
    catalog::v1::{self as pb, ListOrdersRequest, OrderSide, OrderStatus},
    common::v1::{ContractRef, TokenStandard},
};
use serde_json::Value;

use super::{contract_of, optional, parse, picture};
use crate::{
    error::Error,
    model::{Order, Side, Signed, Standing, ToldOrder},
    store::orders::Wanted,
};

/// What was signed is some two kilobytes; a bulk of fees may make it more.
const COMPONENTS_BYTES: usize = 64 * 1024;
/// EIP-1271 sets no bound; what wallets make is far below.
const SIGNATURE_BYTES: usize = 8 * 1024;

pub(super) fn told(order: pb::Order) -> Result<ToldOrder, Error> {
    let contract = order.contract.as_ref().ok_or(Error::field("order.contract", "is missing"))?;
    let (chain_id, contract) = contract_of("order.contract", contract)?;
    if parse::<ChainId>("order.chain_id", &order.chain_id)? != chain_id {
        return Err(Error::field("order.contract", "is on another chain"));
    }
    let side = side(order.side()).ok_or(Error::field("order.side", "is missing"))?;
    let standing = match order.status() {
        // That an order's time is over is the clock's to say.
        OrderStatus::Unspecified | OrderStatus::Expired => None,
        OrderStatus::Active => Some(Standing::Active),
        OrderStatus::Inactive => Some(Standing::Inactive),
        OrderStatus::Filled => Some(Standing::Filled),
        OrderStatus::Cancelled => Some(Standing::Cancelled),
    };
    let standard = match order.standard() {
        TokenStandard::Erc721 => events::Standard::Erc721,
        TokenStandard::Erc1155 => events::Standard::Erc1155,
        TokenStandard::Unspecified => return Err(Error::field("order.standard", "is missing")),
    };
    let quantity = amount("order.quantity", &order.quantity)?;
    let quantity_filled = match order.quantity_filled.as_str() {
        "" => U256::ZERO,
        text => amount("order.quantity_filled", text)?,
    };
    if quantity.is_zero() || quantity_filled > quantity {
        return Err(Error::field("order.quantity", "must be at least 1 and at least what is filled"));
    }
    let starts_at = moment("order.start_time", order.start_time)?;
    let ends_at = moment("order.end_time", order.end_time)?;
    if ends_at <= starts_at {
        return Err(Error::field("order.end_time", "must be after the start"));
    }
    if order.signature.len() > SIGNATURE_BYTES {
        return Err(Error::field("order.signature", "is too long"));
    }
    Ok(ToldOrder {
        chain_id,
        exchange: parse("order.exchange", &order.exchange)?,
        order_hash: parse::<OrderHash>("order.order_hash", &order.order_hash)?,
        signed: Signed {
            side,
            marketplace: marketplace(&order.marketplace)?,
            maker: parse("order.maker", &order.maker)?,
            taker: optional::<Address>("order.taker", &order.taker)?.filter(|taker| !taker.is_zero()),
            contract,
            token_id: optional::<TokenId>("order.token_id", &order.token_id)?,
            standard,
            quantity,
            price: amount("order.price_raw", &order.price_raw)?,
            currency: optional::<Address>("order.currency", &order.currency)?
                .filter(|token| !token.is_zero()),
            starts_at,
            ends_at,
            components: components(&order.components_json)?,
        },
        signature: order.signature,
        standing,
        quantity_filled,
        as_of_block: i64::try_from(order.as_of_block)
            .map_err(|_| Error::field("order.as_of_block", "is beyond what a chain can have"))?,
    })
}

pub(super) fn wanted(ask: &ListOrdersRequest) -> Result<Wanted, Error> {
    let contract = ask.contract.as_ref().map(|contract| contract_of("contract", contract)).transpose()?;
    let token_id = optional::<TokenId>("token_id", &ask.token_id)?;
    if token_id.is_some() && contract.is_none() {
        return Err(Error::field("token_id", "needs the contract"));
    }
    let words = ask.statuses.iter().map(|status| {
        let status = OrderStatus::try_from(*status).ok().filter(|status| *status != OrderStatus::Unspecified);
        let status = status.ok_or(Error::field("statuses", "holds a status that there is not"))?;
        Ok(status.as_str_name().trim_start_matches("ORDER_STATUS_").to_owned())
    });
    Ok(Wanted {
        side: side(ask.side()),
        statuses: words.collect::<Result<_, Error>>()?,
        maker: optional("maker", &ask.maker)?,
        contract,
        token_id,
        now: Utc::now(),
    })
}

pub(super) fn order(of: &Order, now: DateTime<Utc>) -> Result<pb::Order, Error> {
    let chain_id = ChainId::try_from(of.chain_id)?.to_string();
    let side = if of.side == "OFFER" { OrderSide::Offer } else { OrderSide::Listing };
    let status = OrderStatus::from_str_name(&format!("ORDER_STATUS_{}", of.status_at(now)));
    let lower = |address: Option<Address>| address.map(|address| address.to_lower()).unwrap_or_default();
    Ok(pb::Order {
        id: of.id.to_string(),
        exchange: of.exchange.to_lower(),
        order_hash: of.order_hash.to_string(),
        side: side.into(),
        status: status.unwrap_or_default().into(),
        maker: of.maker.to_lower(),
        taker: lower(of.taker),
        contract: Some(ContractRef { chain_id: chain_id.clone(), address: of.contract.to_lower() }),
        token_id: of.token_number.as_ref().map(decimal).transpose()?.unwrap_or_default(),
        standard: picture::standard(&of.token_standard).into(),
        quantity: decimal(&of.quantity)?,
        quantity_filled: decimal(&of.quantity_filled)?,
        price_raw: decimal(&of.price)?,
        currency: lower(of.currency),
        start_time: Some(picture::time(of.starts_at)),
        end_time: Some(picture::time(of.ends_at)),
        create_time: Some(picture::time(of.created_at)),
        components_json: of.components.to_string(),
        signature: of.signature.clone(),
        marketplace: of.marketplace.clone(),
        as_of_block: u64::try_from(of.as_of_block).unwrap_or_default(),
        chain_id,
    })
}

fn decimal(number: &bigdecimal::BigDecimal) -> Result<String, Error> {
    Ok(amounts::from_decimal(number).map_err(|_| Error::Amount)?.to_string())
}

pub(super) fn amount(path: &'static str, text: &str) -> Result<U256, Error> {
    amounts::parse(text).map_err(|why| Error::field(path, why))
}

fn side(of: OrderSide) -> Option<Side> {
    match of {
        OrderSide::Unspecified => None,
        OrderSide::Listing => Some(Side::Listing),
        OrderSide::Offer => Some(Side::Offer),
    }
}

fn moment(path: &'static str, at: Option<prost_types::Timestamp>) -> Result<DateTime<Utc>, Error> {
    let at = at.ok_or(Error::field(path, "is missing"))?;
    // Seconds are what an exchange signs.
    let read =
        DateTime::from_timestamp(at.seconds, 0).filter(|_| (0..=253_402_300_799).contains(&at.seconds));
    read.ok_or(Error::field(path, "must be between 1970 and 9999"))
}

fn marketplace(name: &str) -> Result<String, Error> {
    let is_word =
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    if !(1..=50).contains(&name.len()) || !is_word {
        return Err(Error::field(
            "order.marketplace",
            "must be 1 to 50 lower-case letters, digits, dots or hyphens",
        ));
    }
    Ok(name.to_owned())
}

fn components(text: &str) -> Result<Value, Error> {
    let path = "order.components_json";
    if text.len() > COMPONENTS_BYTES {
        return Err(Error::field(path, "is too long"));
    }
    let value: Value = serde_json::from_str(text).map_err(|_| Error::field(path, "is no JSON"))?;
    if !value.is_object() || text.contains("\\u0000") || !is_exact(&value) {
        return Err(Error::field(path, "must be an object without NUL whose large numbers are strings"));
    }
    Ok(value)
}

/// Whether each number is kept to the last digit.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(of) => of.iter().all(is_exact),
        Value::Object(of) => of.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}
