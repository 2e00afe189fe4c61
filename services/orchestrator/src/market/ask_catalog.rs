//! What the market asks of the catalog, which keeps the orders: each call has a deadline.

use std::{future::Future, time::Duration};

use ids::{Address, ChainId, TokenId};
use proto::{
    catalog::v1::{
        Collection, GetCollectionRequest, GetOrderRequest, ListOrdersRequest, ListTokensRequest, Order,
        PutOrderRequest, get_collection_request::By,
    },
    common::v1::ContractRef,
};
use tokio::time::timeout;
use tonic::{Code, Response, Status};
use uuid::Uuid;

use crate::{error::Error, peers::Peers};

const ANSWERS_WITHIN: Duration = Duration::from_millis(1500);

impl Peers {
    /// Stores an order, or what the chain says of one that is stored; the order as it is kept. What the catalog will never
    /// take is told apart from a catalog that is away.
    pub(crate) async fn put_order(&self, order: Order) -> Result<Order, Error> {
        let mut catalog = self.catalog.clone();
        let putting = catalog.put_order(PutOrderRequest { order: Some(order) });
        let stored = match timeout(ANSWERS_WITHIN, putting).await {
            Ok(Err(status)) if is_final(status.code()) => {
                tracing::error!(code = ?status.code(), error = status.message(), "the catalog refused an order");
                return Err(Error::OrderRefused(status.message().to_owned()));
            }
            answered => {
                answer(async { answered.unwrap_or_else(|_| Err(Status::deadline_exceeded("late"))) }).await?
            }
        };
        stored.and_then(|stored| stored.order).ok_or(Error::Unavailable("catalog"))
    }

    /// The first orders of a list, and whether there are more.
    pub(crate) async fn list_orders(&self, request: ListOrdersRequest) -> Result<(Vec<Order>, bool), Error> {
        let mut catalog = self.catalog.clone();
        let found = answer(catalog.list_orders(request)).await?.unwrap_or_default();
        Ok((found.orders, found.has_next))
    }

    /// An order by its id.
    pub(crate) async fn get_order(&self, order_id: Uuid) -> Result<Order, Error> {
        let mut catalog = self.catalog.clone();
        let found = answer(catalog.get_order(GetOrderRequest { id: order_id.to_string() })).await?;
        found.and_then(|found| found.order).ok_or(Error::NotFound("order"))
    }

    /// Whether the catalog follows a contract, so that it will hear of what happens to its tokens.
    pub(crate) async fn is_catalogued(&self, chain_id: ChainId, contract: Address) -> Result<bool, Error> {
        let found = self.find_collection(chain_id, contract).await?;
        Ok(found.is_some_and(|collection| collection.status == "LIVE"))
    }

    /// Some token of a contract that there is; None where the catalog knows of none.
    pub(crate) async fn find_any_token(
        &self,
        chain_id: ChainId,
        contract: Address,
    ) -> Result<Option<TokenId>, Error> {
        let Some(collection) = self.find_collection(chain_id, contract).await? else { return Ok(None) };
        let request =
            ListTokensRequest { collection_id: collection.id, page_size: 1, ..ListTokensRequest::default() };
        let mut catalog = self.catalog.clone();
        let found = answer(catalog.list_tokens(request)).await?.unwrap_or_default();
        let token = found.tokens.into_iter().next().and_then(|token| token.r#ref);
        Ok(token.and_then(|token| token.token_id.parse().ok()))
    }

    async fn find_collection(
        &self,
        chain_id: ChainId,
        contract: Address,
    ) -> Result<Option<Collection>, Error> {
        let mut catalog = self.catalog.clone();
        let contract = ContractRef { chain_id: chain_id.to_string(), address: contract.to_lower() };
        let request = GetCollectionRequest { by: Some(By::Contract(contract)) };
        Ok(answer(catalog.get_collection(request)).await?.and_then(|found| found.collection))
    }
}

/// Whether the same words would be refused again, whenever they are said.
fn is_final(code: Code) -> bool {
    matches!(code, Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition)
}

/// None for what the catalog does not have.
async fn answer<T>(asked: impl Future<Output = Result<Response<T>, Status>>) -> Result<Option<T>, Error> {
    match timeout(ANSWERS_WITHIN, asked).await {
        Ok(Ok(response)) => Ok(Some(response.into_inner())),
        Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
        Ok(Err(status)) => {
            tracing::warn!(code = ?status.code(), error = status.message(), "the catalog did not do its part");
            Err(Error::Unavailable("catalog"))
        }
        Err(_) => {
            tracing::warn!("the catalog did not answer in time");
            Err(Error::Unavailable("catalog"))
        }
    }
}
