//! Tells the catalog of an order that its maker has signed. The same order again is the same row there, so whoever finds
//! the word unsaid says it.

use chrono::{DateTime, Utc};
use ids::{Address, ChainId};
use prost_types::Timestamp;
use proto::{
    catalog::v1 as pb,
    common::v1::{ContractRef, TokenStandard},
};
use uuid::Uuid;

use super::order::{Side, Terms, message, order_hash, parse_typed_data};
use crate::{
    ask::Standard,
    error::Error,
    model::{Act, Intent, Step},
    peers::Peers,
};

/// The name that the catalog gives the exchange's orders.
const MARKETPLACE: &str = "seaport-1.6";

/// Stores the order of a LIST or an OFFER whose signature is kept with its last step; the order's id at the catalog.
pub(crate) async fn put_order(peers: &Peers, intent: &Intent, steps: &[Step]) -> Result<Uuid, Error> {
    let stored = peers.put_order(wire(intent.chain_id, steps)?).await?;
    stored.id.parse().map_err(|_| Error::Unavailable("catalog"))
}

/// The order of these steps as the catalog takes it.
fn wire(chain_id: ChainId, steps: &[Step]) -> Result<pb::Order, Error> {
    let unreadable = || Error::NotFound("signed order");
    let step = steps.last().ok_or_else(unreadable)?;
    let (Act::Sign(typed_data), Some(signature)) = (&step.act, &step.signature) else {
        return Err(unreadable());
    };
    let (components, exchange) = parse_typed_data(typed_data).ok_or_else(unreadable)?;
    let terms = Terms::of(&components).ok_or_else(unreadable)?;
    let text = |address: Option<Address>| address.map(|address| address.to_lower()).unwrap_or_default();
    Ok(pb::Order {
        id: String::new(),
        chain_id: chain_id.to_string(),
        exchange: exchange.to_lower(),
        order_hash: order_hash(&components).to_string(),
        side: match terms.side {
            Side::Listing => pb::OrderSide::Listing,
            Side::Offer => pb::OrderSide::Offer,
        }
        .into(),
        status: pb::OrderStatus::Active.into(),
        maker: terms.maker.to_lower(),
        taker: text(terms.taker),
        contract: Some(ContractRef { chain_id: chain_id.to_string(), address: terms.contract.to_lower() }),
        token_id: terms.token_id.map(|id| id.to_string()).unwrap_or_default(),
        standard: match terms.standard {
            Standard::Erc721 => TokenStandard::Erc721,
            Standard::Erc1155 => TokenStandard::Erc1155,
        }
        .into(),
        quantity: terms.quantity.to_string(),
        quantity_filled: "0".to_owned(),
        price_raw: terms.price.to_string(),
        currency: text(terms.currency),
        start_time: Some(timestamp(terms.starts_at)),
        end_time: Some(timestamp(terms.ends_at)),
        create_time: None,
        components_json: message(&components).to_string(),
        signature: signature.clone(),
        marketplace: MARKETPLACE.to_owned(),
        // What a block says of it is newer than this, whenever it comes.
        as_of_block: 0,
    })
}

fn timestamp(seconds: u64) -> Timestamp {
    Timestamp { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 }
}

/// When the order that is to be signed is over; None for steps that sign none.
pub(crate) fn ends_at(steps: &[Step]) -> Option<DateTime<Utc>> {
    let Act::Sign(typed_data) = &steps.last()?.act else { return None };
    let (components, _) = parse_typed_data(typed_data)?;
    DateTime::from_timestamp(i64::try_from(components.endTime).ok()?, 0)
}
