//! Tokens.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, OneofObject, Result};
use proto::{
    catalog::v1::{self as pb, GetTokenRequest, ListTokensRequest, get_token_request::By},
    common::v1 as common,
};

use super::{
    collection::{self, Collection, CollectionBy, ContractRef, TokenStandard},
    connection::{Page, connection},
    node,
    scalar::{Address, BigInt, ChainId, DateTime, Uri, moment, ours, ours_or_none, text},
};
use crate::{
    cursor::Seal,
    error::{coded, failed},
    loaders::{Loaders, Place, TokenPlace},
    peers::Peers,
};

/// A token of a collection.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) pb::Token);

/// Whether what a token says of itself has been read.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetadataStatus {
    Pending,
    Ready,
    Failed,
}

/// A token of a contract.
#[derive(InputObject)]
pub(crate) struct TokenRef {
    chain_id: ChainId,
    address: Address,
    token_id: BigInt,
}

impl TokenRef {
    pub(crate) fn to_wire(&self) -> common::TokenRef {
        common::TokenRef {
            chain_id: self.chain_id.0.to_string(),
            address: self.address.0.to_lower(),
            token_id: self.token_id.0.to_string(),
        }
    }

    /// The contract, and the number inside it.
    pub(crate) fn apart(self) -> (ContractRef, Option<BigInt>) {
        (ContractRef { chain_id: self.chain_id, address: self.address }, Some(self.token_id))
    }
}

/// How a token is named.
#[derive(OneofObject)]
pub(crate) enum TokenBy {
    Id(ID),
    Contract(TokenRef),
}

#[Object]
impl Token {
    pub(crate) async fn id(&self) -> ID {
        node::id("Token", &self.0.id)
    }

    /// As CAIP-19 names it.
    async fn asset_id(&self) -> Result<String> {
        let place = self.place();
        let address: ids::Address = ours(&place.address)?;
        let standard = match self.0.standard() {
            common::TokenStandard::Erc1155 => "erc1155",
            _ => "erc721",
        };
        Ok(format!("{}/{standard}:{address}/{}", place.chain_id, place.token_id))
    }

    /// Null with an error while collections cannot be read.
    async fn collection(&self, context: &Context<'_>) -> Option<Result<Collection>> {
        match ours(&self.0.collection_id) {
            Ok(id) => collection::load(context, id).await,
            Err(err) => Some(Err(err)),
        }
    }

    async fn chain_id(&self) -> Result<ChainId> {
        ours(&self.place().chain_id)
    }

    /// The contract.
    async fn address(&self) -> Result<Address> {
        ours(&self.place().address)
    }

    /// Its number inside the contract.
    async fn token_id(&self) -> Result<BigInt> {
        ours(&self.place().token_id)
    }

    async fn standard(&self) -> TokenStandard {
        TokenStandard::of_wire(self.0.standard())
    }

    async fn name(&self) -> Option<String> {
        text(&self.0.name)
    }

    async fn description(&self) -> Option<String> {
        text(&self.0.description)
    }

    /// Where its picture is, as its metadata says.
    async fn image_uri(&self) -> Option<Uri> {
        text(&self.0.image_uri).map(Uri)
    }

    async fn metadata_uri(&self) -> Option<Uri> {
        text(&self.0.metadata_uri).map(Uri)
    }

    /// What it says of itself, as it was read.
    async fn metadata(&self) -> Option<Json<serde_json::Value>> {
        serde_json::from_str(&self.0.metadata_json).ok().map(Json)
    }

    async fn metadata_status(&self) -> MetadataStatus {
        match self.0.metadata_status.as_str() {
            "READY" => MetadataStatus::Ready,
            "FAILED" => MetadataStatus::Failed,
            _ => MetadataStatus::Pending,
        }
    }

    /// How many there are: 1, or 0 when burned, for ERC-721.
    async fn supply(&self) -> Result<BigInt> {
        ours(&self.0.supply)
    }

    /// Who has it; null for ERC-1155, which has many owners, and for burned tokens.
    async fn owner(&self) -> Result<Option<Address>> {
        ours_or_none(&self.0.owner)
    }

    /// Whether none is left.
    async fn burned(&self) -> bool {
        self.0.burned
    }

    async fn minted_at(&self) -> Option<DateTime> {
        moment(self.0.mint_time.as_ref())
    }
}

impl Token {
    fn place(&self) -> &common::TokenRef {
        static NONE: common::TokenRef =
            common::TokenRef { chain_id: String::new(), address: String::new(), token_id: String::new() };
        self.0.r#ref.as_ref().unwrap_or(&NONE)
    }
}

connection!(TokenConnection, TokenEdge, Token, "tokens");

/// Which tokens are listed; one of the two is needed.
#[derive(InputObject)]
pub(crate) struct TokenFilter {
    collection: Option<CollectionBy>,
    owner: Option<Address>,
}

#[derive(Default)]
pub(crate) struct TokenQuery;

#[Object]
impl TokenQuery {
    /// A token; null where there is none.
    async fn token(&self, context: &Context<'_>, by: TokenBy) -> Option<Result<Token>> {
        match by {
            TokenBy::Id(id) => load(context, node::key("Token", &id)?).await,
            TokenBy::Contract(place) => find(context, place.to_wire()).await.transpose(),
        }
    }

    /// Tokens of a collection or of an owner, by number.
    #[graphql(complexity = "10 + first.unwrap_or(20).clamp(1, 100) as usize * child_complexity / 4")]
    async fn tokens(
        &self,
        context: &Context<'_>,
        filter: TokenFilter,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<TokenConnection> {
        let collection = match filter.collection {
            Some(by) => Some(collection_id(context, by).await?),
            None => None,
        };
        if collection.is_none() && filter.owner.is_none() {
            return Err(coded(rpc::Code::BadInput.as_str(), "filter needs a collection or an owner"));
        }
        tokens_of(context, collection.as_deref(), filter.owner, first, after.as_deref()).await
    }
}

async fn collection_id(context: &Context<'_>, by: CollectionBy) -> Result<String> {
    use proto::catalog::v1::get_collection_request::By;
    let by = match by {
        CollectionBy::Id(id) => {
            let key: Option<ids::CollectionId> = node::key("Collection", &id);
            return key.map(|key| key.to_string()).ok_or_else(no_collection);
        }
        CollectionBy::Slug(slug) => By::Slug(slug),
        CollectionBy::Contract(contract) => By::Contract(contract.to_wire()),
    };
    collection::find(context, by).await?.map(|collection| collection.0.id).ok_or_else(no_collection)
}

fn no_collection() -> async_graphql::Error {
    coded(rpc::Code::NotFound.as_str(), "there is no such collection")
}

/// A page of the tokens of a collection, of an owner, or of both.
pub(crate) async fn tokens_of(
    context: &Context<'_>,
    collection_id: Option<&str>,
    owner: Option<Address>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<TokenConnection> {
    let seal = context.data_unchecked::<Seal>();
    let page = Page::read(seal, TokenConnection::KIND, first, after)?;
    let asked = ListTokensRequest {
        collection_id: collection_id.unwrap_or_default().to_owned(),
        owner: owner.map(|owner| owner.0.to_lower()).unwrap_or_default(),
        page_size: page.size,
        page_token: page.token.clone(),
    };
    let peers = context.data_unchecked::<Peers>();
    let answer =
        peers.catalog.clone().list_tokens(asked).await.map_err(|status| failed(&status))?.into_inner();
    let nodes = answer.tokens.into_iter().map(Token).collect();
    Ok(TokenConnection::new(seal, &page, nodes, &answer.cursors, answer.has_next))
}

/// The token of that contract and number.
pub(crate) async fn find(context: &Context<'_>, place: common::TokenRef) -> Result<Option<Token>> {
    fetch(context.data_unchecked::<Peers>(), place).await
}

/// The same for a stream's task, which outlives the context that began it.
pub(crate) async fn fetch(peers: &Peers, place: common::TokenRef) -> Result<Option<Token>> {
    let asked = GetTokenRequest { by: Some(By::Ref(place)) };
    match peers.catalog.clone().get_token(asked).await {
        Ok(answer) => Ok(answer.into_inner().token.map(Token)),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

/// The token of that contract and number, by the request's loader.
pub(crate) async fn load_at(context: &Context<'_>, place: &common::TokenRef) -> Option<Result<Token>> {
    let place = match (ours(&place.chain_id), ours(&place.address), ours(&place.token_id)) {
        (Ok(chain_id), Ok(address), Ok(token_id)) => TokenPlace { at: Place { chain_id, address }, token_id },
        (Err(err), ..) | (_, Err(err), _) | (.., Err(err)) => return Some(Err(err)),
    };
    match context.data_unchecked::<Loaders>().tokens_at.load_one(place).await {
        Ok(found) => found.map(|row| Ok(Token(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}

/// The token of that row, by the request's loader.
pub(crate) async fn load(context: &Context<'_>, id: ids::TokenRowId) -> Option<Result<Token>> {
    match context.data_unchecked::<Loaders>().tokens.load_one(id).await {
        Ok(found) => found.map(|row| Ok(Token(row))),
        Err(status) => Some(Err(failed(&status))),
    }
}
