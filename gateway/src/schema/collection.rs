//! Collections.

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, Result};
use proto::{
    catalog::v1::{self as pb, GetCollectionRequest, ListCollectionsRequest, get_collection_request::By},
    common::v1 as common,
};

use super::{
    chain::{self, Chain},
    connection::{Page, connection},
    node,
    scalar::{Address, BigInt, ChainId, DateTime, Hex, Uri, moment_of, ours, ours_or_none, text},
    token::{TokenConnection, tokens_of},
};
use crate::{
    cursor::Seal,
    error::{coded, failed},
    loaders::{Loaders, Place},
    peers::Peers,
    viewer::Viewer,
};

/// A contract whose tokens are shown together.
#[derive(Clone)]
pub(crate) struct Collection(pub(crate) pb::Collection);

/// What a collection's tokens are.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenStandard {
    /// One owner a token.
    #[graphql(name = "ERC721")]
    Erc721,
    /// Amounts of a token.
    #[graphql(name = "ERC1155")]
    Erc1155,
}

impl TokenStandard {
    pub(crate) fn to_wire(self) -> common::TokenStandard {
        match self {
            TokenStandard::Erc721 => common::TokenStandard::Erc721,
            TokenStandard::Erc1155 => common::TokenStandard::Erc1155,
        }
    }

    pub(crate) fn of_wire(standard: common::TokenStandard) -> TokenStandard {
        match standard {
            common::TokenStandard::Erc1155 => TokenStandard::Erc1155,
            _ => TokenStandard::Erc721,
        }
    }
}

/// Where a collection is in its life.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CollectionStatus {
    /// Sent, not yet on the chain; its creator alone sees it.
    Pending,
    Live,
    Failed,
    /// Taken out of sight.
    Hidden,
}

/// A contract on a chain.
#[derive(InputObject, Clone)]
pub(crate) struct ContractRef {
    pub(crate) chain_id: ChainId,
    pub(crate) address: Address,
}

impl ContractRef {
    pub(crate) fn to_wire(&self) -> common::ContractRef {
        common::ContractRef { chain_id: self.chain_id.0.to_string(), address: self.address.0.to_lower() }
    }
}

/// How a collection is named.
#[derive(OneofObject)]
pub(crate) enum CollectionBy {
    Id(ID),
    Slug(String),
    Contract(ContractRef),
}

#[Object]
impl Collection {
    pub(crate) async fn id(&self) -> ID {
        node::id("Collection", &self.0.id)
    }

    async fn chain_id(&self) -> Result<ChainId> {
        ours(&self.contract().chain_id)
    }

    /// Null with an error while the registry cannot be read.
    async fn chain(&self, context: &Context<'_>) -> Option<Result<Chain>> {
        match ours(&self.contract().chain_id) {
            Ok(chain_id) => chain::load(context, chain_id).await,
            Err(err) => Some(Err(err)),
        }
    }

    async fn address(&self) -> Result<Address> {
        ours(&self.contract().address)
    }

    /// Its name in addresses of pages.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn symbol(&self) -> Option<String> {
        text(&self.0.symbol)
    }

    async fn description(&self) -> Option<String> {
        text(&self.0.description)
    }

    async fn standard(&self) -> TokenStandard {
        TokenStandard::of_wire(self.0.standard())
    }

    /// Where its picture is, as its metadata says.
    async fn image_uri(&self) -> Option<Uri> {
        text(&self.0.image_uri).map(Uri)
    }

    async fn metadata_uri(&self) -> Option<Uri> {
        text(&self.0.metadata_uri).map(Uri)
    }

    async fn creator(&self) -> Result<Address> {
        ours(&self.0.creator)
    }

    async fn owner(&self) -> Result<Option<Address>> {
        ours_or_none(&self.0.owner)
    }

    /// Royalties in basis points.
    async fn royalty_bps(&self) -> u32 {
        self.0.royalty_bps
    }

    async fn royalty_recipient(&self) -> Result<Option<Address>> {
        ours_or_none(&self.0.royalty_recipient)
    }

    /// Null where there is no limit.
    async fn max_supply(&self) -> Result<Option<BigInt>> {
        ours_or_none(&self.0.max_supply)
    }

    async fn total_supply(&self) -> Result<BigInt> {
        ours(&self.0.total_supply)
    }

    /// How many different tokens there are.
    async fn items_count(&self) -> BigInt {
        BigInt(amounts::U256::from(self.0.items_count.max(0) as u64))
    }

    async fn owners_count(&self) -> BigInt {
        BigInt(amounts::U256::from(self.0.owners_count.max(0) as u64))
    }

    /// Whether a moderator vouches for it.
    async fn is_verified(&self) -> bool {
        self.0.verified
    }

    async fn status(&self) -> CollectionStatus {
        match self.0.status.as_str() {
            "PENDING" => CollectionStatus::Pending,
            "FAILED" => CollectionStatus::Failed,
            "LIVE" => CollectionStatus::Live,
            _ => CollectionStatus::Hidden,
        }
    }

    async fn created_at(&self) -> DateTime {
        moment_of(self.0.create_time.as_ref())
    }

    async fn created_tx(&self) -> Result<Option<Hex>> {
        ours_or_none(&self.0.create_tx)
    }

    /// Null while it is pending.
    async fn created_block(&self) -> Option<BigInt> {
        (self.0.create_block > 0).then(|| BigInt(amounts::U256::from(self.0.create_block)))
    }

    /// Its tokens, by number.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn tokens(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<TokenConnection> {
        tokens_of(context, Some(&self.0.id), None, first, after.as_deref()).await
    }
}

impl Collection {
    fn contract(&self) -> &common::ContractRef {
        static NONE: common::ContractRef =
            common::ContractRef { chain_id: String::new(), address: String::new() };
        self.0.contract.as_ref().unwrap_or(&NONE)
    }
}

connection!(CollectionConnection, CollectionEdge, Collection, "collections");

/// Which collections are listed.
#[derive(InputObject, Default)]
pub(crate) struct CollectionFilter {
    chain_ids: Option<Vec<ChainId>>,
    creator: Option<Address>,
}

#[derive(Default)]
pub(crate) struct CollectionQuery;

#[Object]
impl CollectionQuery {
    /// A collection; null where there is none or it is not yours to see.
    async fn collection(&self, context: &Context<'_>, by: CollectionBy) -> Option<Result<Collection>> {
        let by = match by {
            // Not by the loader: its creator alone may see one that is pending.
            CollectionBy::Id(id) => By::Id(node::key::<ids::CollectionId>("Collection", &id)?.to_string()),
            CollectionBy::Slug(slug) if slug.contains('\0') => return None,
            CollectionBy::Slug(slug) => By::Slug(slug),
            CollectionBy::Contract(contract) => By::Contract(contract.to_wire()),
        };
        find(context, by).await.transpose()
    }

    /// Collections, newest first.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn collections(
        &self,
        context: &Context<'_>,
        filter: Option<CollectionFilter>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<CollectionConnection> {
        let seal = context.data_unchecked::<Seal>();
        let page = Page::read(seal, CollectionConnection::KIND, first, after.as_deref())?;
        let filter = filter.unwrap_or_default();
        let asked = ListCollectionsRequest {
            chain_ids: filter.chain_ids.unwrap_or_default().iter().map(|chain| chain.0.to_string()).collect(),
            creator: filter.creator.map(|creator| creator.0.to_lower()).unwrap_or_default(),
            page_size: page.size,
            page_token: page.token.clone(),
        };
        let peers = context.data_unchecked::<Peers>();
        let answer = peers.catalog.clone().list_collections(asked).await.map_err(|status| failed(&status))?;
        let answer = answer.into_inner();
        let nodes = answer.collections.into_iter().map(Collection).collect();
        Ok(CollectionConnection::new(seal, &page, nodes, &answer.cursors, answer.has_next))
    }
}

/// One collection, as its viewer may see it.
pub(crate) async fn find(context: &Context<'_>, by: By) -> Result<Option<Collection>> {
    let asked = GetCollectionRequest { by: Some(by) };
    let asked = match context.data_opt::<Viewer>() {
        Some(viewer) => rpc::caller::acting(asked, &viewer.caller()),
        None => tonic::Request::new(asked),
    };
    match context.data_unchecked::<Peers>().catalog.clone().get_collection(asked).await {
        Ok(answer) => Ok(answer.into_inner().collection.map(Collection)),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

/// Where a collection is, by whatever it is named: only what is not a contract has to be looked up.
pub(crate) async fn place(context: &Context<'_>, by: CollectionBy) -> Result<common::ContractRef> {
    let unknown = || coded(rpc::Code::NotFound.as_str(), "there is no such collection");
    let by = match by {
        CollectionBy::Contract(contract) => return Ok(contract.to_wire()),
        CollectionBy::Id(id) => {
            By::Id(node::key::<ids::CollectionId>("Collection", &id).ok_or_else(unknown)?.to_string())
        }
        CollectionBy::Slug(slug) => By::Slug(slug),
    };
    find(context, by).await?.and_then(|collection| collection.0.contract).ok_or_else(unknown)
}

/// The collection of that contract, as its viewer may see it, by the request's loader.
pub(crate) async fn load_at(
    context: &Context<'_>,
    contract: &common::ContractRef,
) -> Option<Result<Collection>> {
    let place = match (ours(&contract.chain_id), ours(&contract.address)) {
        (Ok(chain_id), Ok(address)) => Place { chain_id, address },
        (Err(err), _) | (_, Err(err)) => return Some(Err(err)),
    };
    let loader = context.data_unchecked::<Loaders>().collections_at(context.data_opt::<Viewer>());
    match loader.load_one(place).await {
        Ok(found) => found.map(|row| Ok(Collection(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}

/// The collection of that row, by the request's loader.
pub(crate) async fn load(context: &Context<'_>, id: ids::CollectionId) -> Option<Result<Collection>> {
    match context.data_unchecked::<Loaders>().collections.load_one(id).await {
        Ok(found) => found.map(|row| Ok(Collection(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}
