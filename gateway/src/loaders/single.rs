//! Loaders of what services give one at a time: each is asked for once a request, and a few at once.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use async_graphql::dataloader::Loader;
use futures::{StreamExt, TryStreamExt, stream};
use ids::{Address, ChainId, IntentId, OrderId, TokenId};
use proto::{
    catalog::v1::{
        Collection, GetCollectionRequest, GetOrderRequest, GetTokenRequest, Order, Token,
        get_collection_request, get_token_request,
    },
    common::v1::{Caller, ContractRef, TokenRef},
    orchestrator::v1::{GetIntentRequest, GetIntentResponse},
};
use tonic::Status;

use super::Failed;
use crate::peers::Peers;

/// How many calls of one batch are under way at once.
const AT_ONCE: usize = 8;

/// A contract on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) chain_id: ChainId,
    pub(crate) address: Address,
}

/// A token of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenPlace {
    pub(crate) at: Place,
    pub(crate) token_id: TokenId,
}

/// Asks for each key; one that names nothing is left out.
async fn each<K: Copy + Eq + Hash, V, F: Future<Output = Result<Option<V>, Status>>>(
    keys: &[K],
    ask: impl Fn(K) -> F,
) -> Result<HashMap<K, V>, Failed> {
    let ask = &ask;
    let asked = stream::iter(keys.iter().copied()).map(async |key| match ask(key).await {
        Ok(found) => Ok(found.map(|value| (key, value))),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(Arc::new(status)),
    });
    asked.buffer_unordered(AT_ONCE).try_filter_map(async |found| Ok(found)).try_collect().await
}

pub(crate) struct Orders(pub(super) Peers);

impl Loader<OrderId> for Orders {
    type Value = Order;
    type Error = Failed;

    async fn load(&self, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, Failed> {
        each(ids, async |id| {
            let asked = GetOrderRequest { id: id.to_string() };
            Ok(self.0.catalog.clone().get_order(asked).await?.into_inner().order)
        })
        .await
    }
}

pub(crate) struct TokensAt(pub(super) Peers);

impl Loader<TokenPlace> for TokensAt {
    type Value = Token;
    type Error = Failed;

    async fn load(&self, places: &[TokenPlace]) -> Result<HashMap<TokenPlace, Token>, Failed> {
        each(places, async |TokenPlace { at, token_id }| {
            let place = TokenRef {
                chain_id: at.chain_id.to_string(),
                address: at.address.to_lower(),
                token_id: token_id.to_string(),
            };
            let asked = GetTokenRequest { by: Some(get_token_request::By::Ref(place)) };
            Ok(self.0.catalog.clone().get_token(asked).await?.into_inner().token)
        })
        .await
    }
}

pub(crate) struct CollectionsAt {
    pub(super) peers: Peers,
    pub(super) viewer: Option<Caller>,
}

impl Loader<Place> for CollectionsAt {
    type Value = Collection;
    type Error = Failed;

    async fn load(&self, places: &[Place]) -> Result<HashMap<Place, Collection>, Failed> {
        each(places, async |place| {
            let contract =
                ContractRef { chain_id: place.chain_id.to_string(), address: place.address.to_lower() };
            let asked = GetCollectionRequest { by: Some(get_collection_request::By::Contract(contract)) };
            let asked = match &self.viewer {
                Some(viewer) => rpc::caller::acting(asked, viewer),
                None => tonic::Request::new(asked),
            };
            Ok(self.peers.catalog.clone().get_collection(asked).await?.into_inner().collection)
        })
        .await
    }
}

pub(crate) struct Intents {
    pub(super) peers: Peers,
    pub(super) viewer: Caller,
}

impl Loader<IntentId> for Intents {
    type Value = GetIntentResponse;
    type Error = Failed;

    async fn load(&self, ids: &[IntentId]) -> Result<HashMap<IntentId, GetIntentResponse>, Failed> {
        each(ids, async |id| {
            let asked = GetIntentRequest { intent_id: id.to_string() };
            let asked = rpc::caller::acting(asked, &self.viewer);
            Ok(Some(self.peers.intents.clone().get_intent(asked).await?.into_inner()))
        })
        .await
    }
}
