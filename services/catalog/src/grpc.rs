//! The door in for calls: parse, call, reply.

mod order;
mod picture;

use amounts::U256;
use bigdecimal::BigDecimal;
use chrono::Utc;
use ids::{Address, ChainId, CollectionId, IntentId, OrderId, TokenId, TokenRowId};
use proto::{
    catalog::v1::{
        catalog_service_server::{CatalogService, CatalogServiceServer},
        get_collection_request::By as CollectionBy,
        get_token_request::By as TokenBy,
        list_owners_request::Of as OwnersOf,
        *,
    },
    common::v1::{ContractRef, TokenStandard},
};
use sqlx::PgPool;
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

use crate::{
    error::Error,
    list_holders_at::{count_moves, list_holders_at},
    model::{self, Pending},
    position::{After, Newest, Number, Place, cut, page_size},
    put_order::put_order,
    put_pending_collection::put_pending_collection,
    remove_pending_collection::remove_pending_collection,
    store::{collections, orders, owners, reads},
};

const MOST_IDS: usize = 100;
const MOST_HOLDERS: i32 = 10_000;

/// The calls, without the guard in front of them: who may make which is the server's to know.
pub fn routes(db: PgPool) -> Routes {
    Routes::new(CatalogServiceServer::new(Door { db }))
}

struct Door {
    db: PgPool,
}

#[tonic::async_trait]
impl CatalogService for Door {
    async fn get_collection(
        &self,
        request: Request<GetCollectionRequest>,
    ) -> Result<Response<GetCollectionResponse>, Status> {
        let viewer = viewer(&request);
        let found = match request.into_inner().by {
            Some(CollectionBy::Id(id)) => {
                reads::find_collection(&self.db, parse::<CollectionId>("id", &id)?.0).await
            }
            Some(CollectionBy::Slug(slug)) => reads::find_collection_by_slug(&self.db, &slug).await,
            Some(CollectionBy::Contract(contract)) => {
                let (chain_id, address) = contract_of("contract", &contract)?;
                reads::find_collection(&self.db, model::collection_row(chain_id, address)).await
            }
            None => return Err(Error::field("by", "must name the collection").into()),
        };
        let seen = found.map_err(Error::from)?.filter(|collection| collection.is_seen_by(viewer));
        let collection = seen.ok_or(Error::NotFound("collection"))?;
        Ok(Response::new(GetCollectionResponse { collection: Some(picture::collection(&collection)?) }))
    }

    async fn batch_get_collections(
        &self,
        request: Request<BatchGetCollectionsRequest>,
    ) -> Result<Response<BatchGetCollectionsResponse>, Status> {
        let viewer = viewer(&request);
        let ids = rows(&request.into_inner().ids)?;
        let found = collections::list_by_ids(&self.db, &ids).await.map_err(Error::from)?;
        let seen = found.iter().filter(|collection| collection.is_seen_by(viewer));
        let collections = seen.map(picture::collection).collect::<Result<_, _>>()?;
        Ok(Response::new(BatchGetCollectionsResponse { collections }))
    }

    async fn list_collections(
        &self,
        request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsResponse>, Status> {
        let ask = request.into_inner();
        let size = page_size(ask.page_size)?;
        let before: Newest = ask.page_token.parse()?;
        let chains = ask.chain_ids.iter().map(|id| Ok(parse::<ChainId>("chain_ids", id)?.as_i64()));
        let chains: Vec<i64> = chains.collect::<Result<_, Error>>()?;
        let creator = optional("creator", &ask.creator)?;
        let found = reads::list_collections(&self.db, &chains, creator, before, more(size)).await;
        let (rows, has_next) = cut(found.map_err(Error::from)?, size);
        Ok(Response::new(ListCollectionsResponse {
            cursors: rows.iter().map(|row| Newest::after(row).to_string()).collect(),
            collections: rows.iter().map(picture::collection).collect::<Result<_, _>>()?,
            has_next,
        }))
    }

    async fn get_token(
        &self,
        request: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        let id = match request.into_inner().by {
            Some(TokenBy::Id(id)) => parse::<TokenRowId>("id", &id)?.0,
            Some(TokenBy::Ref(token)) => {
                let chain_id: ChainId = parse("ref.chain_id", &token.chain_id)?;
                let address: Address = parse("ref.address", &token.address)?;
                model::token_row(chain_id, address, parse("ref.token_id", &token.token_id)?)
            }
            None => return Err(Error::field("by", "must name the token").into()),
        };
        let found = reads::list_tokens_by_ids(&self.db, &[id]).await.map_err(Error::from)?.pop();
        let token = found.ok_or(Error::NotFound("token"))?;
        Ok(Response::new(GetTokenResponse { token: Some(picture::token(&token)?) }))
    }

    async fn batch_get_tokens(
        &self,
        request: Request<BatchGetTokensRequest>,
    ) -> Result<Response<BatchGetTokensResponse>, Status> {
        let ids = rows(&request.into_inner().ids)?;
        let found = reads::list_tokens_by_ids(&self.db, &ids).await.map_err(Error::from)?;
        let tokens = found.iter().map(picture::token).collect::<Result<_, _>>()?;
        Ok(Response::new(BatchGetTokensResponse { tokens }))
    }

    async fn list_tokens(
        &self,
        request: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        let ask = request.into_inner();
        let size = page_size(ask.page_size)?;
        let after: Number = ask.page_token.parse()?;
        let collection = optional::<CollectionId>("collection_id", &ask.collection_id)?.map(|id| id.0);
        let owner = optional::<Address>("owner", &ask.owner)?;
        let found = match (owner, collection) {
            (Some(owner), _) => {
                let after: (Uuid, &BigDecimal) = (after.collection, &after.number);
                reads::list_tokens_of_owner(&self.db, owner, collection, after, more(size)).await
            }
            (None, Some(collection)) => {
                reads::list_tokens(&self.db, collection, &after.number, more(size)).await
            }
            (None, None) => {
                return Err(Error::field("collection_id", "a collection or an owner is needed").into());
            }
        };
        let (rows, has_next) = cut(found.map_err(Error::from)?, size);
        Ok(Response::new(ListTokensResponse {
            cursors: rows.iter().map(Number::after).collect(),
            tokens: rows.iter().map(picture::token).collect::<Result<_, _>>()?,
            has_next,
        }))
    }

    async fn list_owners(
        &self,
        request: Request<ListOwnersRequest>,
    ) -> Result<Response<ListOwnersResponse>, Status> {
        let ask = request.into_inner();
        let size = page_size(ask.page_size)?;
        let After(after) = ask.page_token.parse()?;
        let found = match ask.of {
            Some(OwnersOf::CollectionId(id)) => {
                let id: CollectionId = parse("collection_id", &id)?;
                reads::list_holders(&self.db, id.0, &after, more(size)).await
            }
            Some(OwnersOf::TokenRowId(id)) => {
                let id: TokenRowId = parse("token_row_id", &id)?;
                reads::list_holders_of_token(&self.db, id.0, &after, more(size)).await
            }
            None => return Err(Error::field("of", "must name a collection or a token").into()),
        };
        let (rows, has_next) = cut(found.map_err(Error::from)?, size);
        Ok(Response::new(ListOwnersResponse {
            cursors: rows.iter().map(After::after).collect(),
            owners: rows.iter().map(picture::owner).collect::<Result<_, _>>()?,
            has_next,
        }))
    }

    async fn list_activities(
        &self,
        request: Request<ListActivitiesRequest>,
    ) -> Result<Response<ListActivitiesResponse>, Status> {
        let ask = request.into_inner();
        let size = page_size(ask.page_size)?;
        let before: Place = ask.page_token.parse()?;
        let collection = optional::<CollectionId>("collection_id", &ask.collection_id)?;
        let token = optional::<TokenRowId>("token_row_id", &ask.token_row_id)?;
        let found = match (token, collection) {
            (Some(token), _) => reads::list_activities_of_token(&self.db, token.0, &before, more(size)).await,
            (None, Some(of)) => {
                reads::list_activities_of_collection(&self.db, of.0, &before, more(size)).await
            }
            (None, None) => reads::list_activities(&self.db, &before, more(size)).await,
        };
        let (rows, has_next) = cut(found.map_err(Error::from)?, size);
        Ok(Response::new(ListActivitiesResponse {
            cursors: rows.iter().map(|row| Place::after(row).to_string()).collect(),
            activities: rows.iter().map(picture::activity).collect(),
            has_next,
        }))
    }

    async fn put_pending_collection(
        &self,
        request: Request<PutPendingCollectionRequest>,
    ) -> Result<Response<PutPendingCollectionResponse>, Status> {
        let pending = pending(&request.into_inner())?;
        let collection = put_pending_collection(&self.db, pending).await?;
        Ok(Response::new(PutPendingCollectionResponse {
            collection: Some(picture::collection(&collection)?),
        }))
    }

    async fn remove_pending_collection(
        &self,
        request: Request<RemovePendingCollectionRequest>,
    ) -> Result<Response<RemovePendingCollectionResponse>, Status> {
        let intent_id: IntentId = parse("intent_id", &request.into_inner().intent_id)?;
        remove_pending_collection(&self.db, intent_id).await?;
        Ok(Response::new(RemovePendingCollectionResponse {}))
    }

    async fn owner_stats(
        &self,
        request: Request<OwnerStatsRequest>,
    ) -> Result<Response<OwnerStatsResponse>, Status> {
        let asked = request.into_inner().addresses;
        if asked.len() > MOST_IDS {
            return Err(Error::field("addresses", "must be at most 100").into());
        }
        let holders: Vec<(Address, Option<ChainId>)> =
            asked.iter().map(|text| holder(text)).collect::<Result<_, Error>>()?;
        let found = owners::count_holdings(&self.db, &holders).await.map_err(Error::from)?;
        let owners = asked.into_iter().zip(&found).map(|(address, held)| picture::owner_stats(address, held));
        Ok(Response::new(OwnerStatsResponse { owners: owners.collect() }))
    }

    async fn put_order(
        &self,
        request: Request<PutOrderRequest>,
    ) -> Result<Response<PutOrderResponse>, Status> {
        let wire = request.into_inner().order.ok_or(Error::field("order", "is missing"))?;
        let stored = put_order(&self.db, &order::told(wire)?).await?;
        Ok(Response::new(PutOrderResponse { order: Some(order::order(&stored, Utc::now())?) }))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let id: OrderId = parse("id", &request.into_inner().id)?;
        let found = orders::find_order(&self.db, id.0).await.map_err(Error::from)?;
        let found = found.ok_or(Error::NotFound("order"))?;
        Ok(Response::new(GetOrderResponse { order: Some(order::order(&found, Utc::now())?) }))
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let ask = request.into_inner();
        let size = page_size(ask.page_size)?;
        let before: Newest = ask.page_token.parse()?;
        let wanted = order::wanted(&ask)?;
        let found = orders::list_orders(&self.db, &wanted, before, more(size)).await;
        let (rows, has_next) = cut(found.map_err(Error::from)?, size);
        Ok(Response::new(ListOrdersResponse {
            cursors: rows.iter().map(|row| Newest::after_order(row).to_string()).collect(),
            orders: rows.iter().map(|row| order::order(row, wanted.now)).collect::<Result<_, _>>()?,
            has_next,
        }))
    }

    async fn list_holders_at(
        &self,
        request: Request<ListHoldersAtRequest>,
    ) -> Result<Response<ListHoldersAtResponse>, Status> {
        let ask = request.into_inner();
        let contract = ask.collection.as_ref().ok_or(Error::field("collection", "is missing"))?;
        let (chain_id, address) = contract_of("collection", contract)?;
        if !(1..=MOST_HOLDERS).contains(&ask.page_size) {
            return Err(Error::field("page_size", "must be between 1 and 10000").into());
        }
        let least = match ask.min_quantity.as_str() {
            "" => U256::ONE,
            text => order::amount("min_quantity", text)?,
        };
        if least.is_zero() {
            return Err(Error::field("min_quantity", "must be at least 1").into());
        }
        let After(after) = ask.page_token.parse()?;
        let collection = model::collection_row(chain_id, address);
        let moves = match ask.moves_from_block {
            0 => 0,
            first => count_moves(&self.db, collection, (first, ask.block_number)).await?,
        };
        let (held, next) = list_holders_at(
            &self.db,
            collection,
            ask.block_number,
            least,
            Address::from_slice(&after).ok(),
            ask.page_size.into(),
        )
        .await?;
        Ok(Response::new(ListHoldersAtResponse {
            holders: held.into_iter().map(picture::holder).collect(),
            next_page_token: next.map(|end| end.to_lower()).unwrap_or_default(),
            moves,
        }))
    }
}

/// The account that looks, where the gateway names one.
fn viewer<T>(request: &Request<T>) -> Option<Address> {
    let caller = rpc::caller::of(request).ok()?;
    Some(caller.account_id.parse::<ids::AccountId>().ok()?.address)
}

fn parse<T: std::str::FromStr<Err = ids::Invalid>>(path: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|why: ids::Invalid| Error::field(path, why.why))
}

fn optional<T: std::str::FromStr<Err = ids::Invalid>>(
    path: &'static str,
    text: &str,
) -> Result<Option<T>, Error> {
    if text.is_empty() { Ok(None) } else { parse(path, text).map(Some) }
}

/// An address on whatever chain, or an account on one: a contract is somebody else's on another.
fn holder(text: &str) -> Result<(Address, Option<ChainId>), Error> {
    if text.contains(':') {
        let account: ids::AccountId = parse("addresses", text)?;
        return Ok((account.address, Some(account.chain_id)));
    }
    Ok((parse("addresses", text)?, None))
}

fn contract_of(path: &'static str, contract: &ContractRef) -> Result<(ChainId, Address), Error> {
    Ok((parse(path, &contract.chain_id)?, parse(path, &contract.address)?))
}

fn rows(ids: &[String]) -> Result<Vec<Uuid>, Error> {
    if ids.len() > MOST_IDS {
        return Err(Error::field("ids", "must be at most 100"));
    }
    ids.iter().map(|id| Ok(parse::<TokenRowId>("ids", id)?.0)).collect()
}

/// One more row than the page says whether there is another page.
fn more(page_size: usize) -> i64 {
    i64::try_from(page_size + 1).unwrap_or(i64::MAX)
}

fn pending(ask: &PutPendingCollectionRequest) -> Result<Pending, Error> {
    let contract = ask.contract.as_ref().ok_or(Error::field("contract", "is missing"))?;
    let (chain_id, address) = contract_of("contract", contract)?;
    let max_supply = Some(&ask.max_supply).filter(|text| !text.is_empty());
    if ask.royalty_bps > 10_000 {
        return Err(Error::field("royalty_bps", "must be at most 10000"));
    }
    Ok(Pending {
        intent_id: parse("intent_id", &ask.intent_id)?,
        chain_id,
        contract: address,
        standard: match ask.standard() {
            TokenStandard::Erc721 => events::Standard::Erc721,
            TokenStandard::Erc1155 => events::Standard::Erc1155,
            TokenStandard::Unspecified => return Err(Error::field("standard", "is missing")),
        },
        name: ask.name.clone(),
        symbol: ask.symbol.clone(),
        creator: parse("creator", &ask.creator)?,
        metadata_uri: Some(model::clean(&ask.metadata_uri, 4096)).filter(|uri| !uri.is_empty()),
        max_supply: max_supply
            .map(|text| parse::<TokenId>("max_supply", text).map(TokenId::number))
            .transpose()?,
        royalty_bps: ask.royalty_bps,
    })
}
