//! Orders: listings and offers, as they were signed and as the chain has them now.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use ids::OrderId;
use proto::{
    catalog::v1::{self as pb, ListOrdersRequest},
    common::v1 as common,
};

use super::{
    chain::{self, Chain},
    collection::{self, Collection, CollectionBy, TokenStandard},
    connection::{Page, connection},
    money::Money,
    node,
    prepared::{optional, optional_amount},
    scalar::{Address, BigInt, ChainId, DateTime, Hex, moment, moment_of, ours, ours_or_none},
    token::{self, Token},
};
use crate::{cursor::Seal, error::failed, loaders::Loaders, peers::Peers};

/// A signed order of an exchange: a token for money, or money for a token.
#[derive(Clone)]
pub(crate) struct Order(pub(crate) pb::Order);

/// Which side the maker of an order is on.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderSide {
    /// A token for money.
    Listing,
    /// Money for a token.
    Offer,
}

/// Where an order is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderStatus {
    /// It can be filled.
    Active,
    /// It cannot be filled now, and may become so again.
    Inactive,
    Filled,
    Cancelled,
    Expired,
}

/// Whose rules an order follows.
#[derive(SimpleObject)]
pub(crate) struct Marketplace {
    /// `seaport-1.6`.
    name: String,
}

impl OrderSide {
    fn to_wire(self) -> pb::OrderSide {
        match self {
            OrderSide::Listing => pb::OrderSide::Listing,
            OrderSide::Offer => pb::OrderSide::Offer,
        }
    }
}

impl OrderStatus {
    fn to_wire(self) -> pb::OrderStatus {
        match self {
            OrderStatus::Active => pb::OrderStatus::Active,
            OrderStatus::Inactive => pb::OrderStatus::Inactive,
            OrderStatus::Filled => pb::OrderStatus::Filled,
            OrderStatus::Cancelled => pb::OrderStatus::Cancelled,
            OrderStatus::Expired => pb::OrderStatus::Expired,
        }
    }
}

#[Object]
impl Order {
    pub(crate) async fn id(&self) -> ID {
        node::id("Order", &self.0.id)
    }

    async fn side(&self) -> OrderSide {
        match self.0.side() {
            pb::OrderSide::Offer => OrderSide::Offer,
            pb::OrderSide::Listing | pb::OrderSide::Unspecified => OrderSide::Listing,
        }
    }

    async fn status(&self) -> OrderStatus {
        match self.0.status() {
            pb::OrderStatus::Active => OrderStatus::Active,
            pb::OrderStatus::Filled => OrderStatus::Filled,
            pb::OrderStatus::Cancelled => OrderStatus::Cancelled,
            pb::OrderStatus::Expired => OrderStatus::Expired,
            // What nobody can tell is not to be bought.
            pb::OrderStatus::Inactive | pb::OrderStatus::Unspecified => OrderStatus::Inactive,
        }
    }

    async fn chain_id(&self) -> Result<ChainId> {
        ours(&self.0.chain_id)
    }

    /// Null with an error while the registry cannot be read.
    async fn chain(&self, context: &Context<'_>) -> Option<Result<Chain>> {
        match ours(&self.0.chain_id) {
            Ok(chain_id) => chain::load(context, chain_id).await,
            Err(err) => Some(Err(err)),
        }
    }

    /// The contract of the token.
    async fn address(&self) -> Result<Address> {
        ours(&self.contract().address)
    }

    /// Its number inside the contract; null for any token of the collection.
    async fn token_id(&self) -> Result<Option<BigInt>> {
        ours_or_none(&self.0.token_id)
    }

    async fn standard(&self) -> TokenStandard {
        TokenStandard::of_wire(self.0.standard())
    }

    /// Null for any token of the collection, for one that is not catalogued here, and with an error while tokens cannot be read.
    #[graphql(complexity = "10 + child_complexity")]
    async fn token(&self, context: &Context<'_>) -> Option<Result<Token>> {
        if self.0.token_id.is_empty() {
            return None;
        }
        let common::ContractRef { chain_id, address } = self.contract().clone();
        token::load_at(context, &common::TokenRef { chain_id, address, token_id: self.0.token_id.clone() })
            .await
    }

    /// Null for one that is not catalogued here, and with an error while collections cannot be read.
    #[graphql(complexity = "10 + child_complexity")]
    async fn collection(&self, context: &Context<'_>) -> Option<Result<Collection>> {
        collection::load_at(context, self.contract()).await
    }

    /// Who signed it.
    async fn maker(&self) -> Result<Address> {
        ours(&self.0.maker)
    }

    /// Who alone may fill it; null for anybody.
    async fn taker(&self) -> Result<Option<Address>> {
        ours_or_none(&self.0.taker)
    }

    /// For the whole quantity, in the smallest unit of the currency.
    async fn price_raw(&self) -> Result<BigInt> {
        ours(&self.0.price_raw)
    }

    /// The ERC-20 contract that it is paid in; null for the native currency.
    async fn currency(&self) -> Result<Option<Address>> {
        ours_or_none(&self.0.currency)
    }

    /// For the whole quantity; null where nobody here knows the decimals of its currency, and with an error while the registry
    /// cannot be read.
    async fn price(&self, context: &Context<'_>) -> Option<Result<Money>> {
        let chain = match ours(&self.0.chain_id) {
            Ok(chain_id) => chain::load(context, chain_id).await?,
            Err(err) => return Some(Err(err)),
        };
        match chain {
            Ok(chain) => Some(Money::of(&self.0.price_raw, chain.currency(&self.0.currency)?)),
            Err(err) => Some(Err(err)),
        }
    }

    /// How many it is for.
    async fn quantity(&self) -> Result<BigInt> {
        ours(&self.0.quantity)
    }

    /// How many of them have changed hands.
    async fn quantity_filled(&self) -> Result<BigInt> {
        Ok(ours_or_none(&self.0.quantity_filled)?.unwrap_or(BigInt(amounts::U256::ZERO)))
    }

    async fn starts_at(&self) -> DateTime {
        moment_of(self.0.start_time.as_ref())
    }

    /// When it can no longer be filled; null where it does not end.
    async fn expires_at(&self) -> Option<DateTime> {
        moment(self.0.end_time.as_ref())
    }

    async fn created_at(&self) -> DateTime {
        moment_of(self.0.create_time.as_ref())
    }

    async fn marketplace(&self) -> Marketplace {
        Marketplace { name: self.0.marketplace.clone() }
    }

    /// The contract that fills it.
    async fn exchange(&self) -> Result<Address> {
        ours(&self.0.exchange)
    }

    /// As the exchange names it.
    async fn order_hash(&self) -> Result<Hex> {
        ours(&self.0.order_hash)
    }
}

impl Order {
    fn contract(&self) -> &common::ContractRef {
        static NONE: common::ContractRef =
            common::ContractRef { chain_id: String::new(), address: String::new() };
        self.0.contract.as_ref().unwrap_or(&NONE)
    }
}

connection!(OrderConnection, OrderEdge, Order);

/// Which orders are listed.
struct OrderFilter {
    side: Option<OrderSide>,
    status: Vec<OrderStatus>,
    maker: Option<Address>,
    collection: Option<CollectionBy>,
    token_id: Option<BigInt>,
}

#[derive(Default)]
pub(crate) struct OrderQuery;

#[Object]
impl OrderQuery {
    /// An order; null where there is none, and with an error while orders cannot be read.
    async fn order(&self, context: &Context<'_>, id: ID) -> Option<Result<Order>> {
        load(context, node::key("Order", &id)?).await
    }

    /// Orders, newest first; null with an error while orders cannot be read.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Both where absent.")] side: Option<OrderSide>,
        #[graphql(default_with = "vec![OrderStatus::Active]", desc = "Any of these; an empty list is all.")]
        status: Vec<OrderStatus>,
        maker: Option<Address>,
        collection: Option<CollectionBy>,
        #[graphql(desc = "Needs the collection.")] token_id: Option<BigInt>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Option<Result<OrderConnection>> {
        let filter = OrderFilter { side, status, maker, collection, token_id };
        Some(list(context, filter, first, after).await)
    }
}

async fn list(
    context: &Context<'_>,
    filter: OrderFilter,
    first: Option<i32>,
    after: Option<String>,
) -> Result<OrderConnection> {
    let contract = match filter.collection {
        Some(by) => Some(collection::place(context, by).await?),
        None => None,
    };
    let mut statuses: Vec<i32> = filter.status.into_iter().map(|status| status.to_wire().into()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let asked = ListOrdersRequest {
        side: filter.side.map_or(pb::OrderSide::Unspecified, OrderSide::to_wire).into(),
        statuses,
        maker: optional(filter.maker),
        contract,
        token_id: optional_amount(filter.token_id),
        ..ListOrdersRequest::default()
    };
    // Bound to what was asked: a cursor of one list says nothing in another.
    let kind = format!("orders:{asked:?}");
    let seal = context.data_unchecked::<Seal>();
    let page = Page::read(seal, &kind, first, after.as_deref())?;
    let asked = ListOrdersRequest { page_size: page.size, page_token: page.token.clone(), ..asked };
    let answer = context.data_unchecked::<Peers>().catalog.clone().list_orders(asked).await;
    let answer = answer.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.orders.into_iter().map(Order).collect();
    Ok(OrderConnection::within(seal, &kind, &page, nodes, &answer.cursors, answer.has_next))
}

/// The order of that id, by the request's loader.
pub(crate) async fn load(context: &Context<'_>, id: OrderId) -> Option<Result<Order>> {
    match context.data_unchecked::<Loaders>().orders.load_one(id).await {
        Ok(found) => found.map(|row| Ok(Order(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}
