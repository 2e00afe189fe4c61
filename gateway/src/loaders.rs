//! Data loaders: what many fields of one request ask for singly is asked of a service once.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::{DataLoader, Loader};
use ids::{ChainId, CollectionId, TokenRowId, UserId};
use proto::{
    catalog::v1::{BatchGetCollectionsRequest, BatchGetTokensRequest, Collection, Token},
    chainregistry::v1::{Chain, ListChainsRequest},
    user::v1::{BatchGetUsersRequest, User},
    wallet::v1::{BatchListWalletsRequest, Wallet},
};
use tonic::Status;

use crate::peers::Peers;

/// The most that a service takes in one call.
const BATCH: usize = 100;

/// One set a request: nothing that one viewer loaded is shown to another.
pub(crate) struct Loaders {
    pub(crate) collections: DataLoader<Collections>,
    pub(crate) tokens: DataLoader<Tokens>,
    pub(crate) users: DataLoader<Users>,
    pub(crate) wallets: DataLoader<Wallets>,
    pub(crate) chains: DataLoader<Chains>,
}

impl Loaders {
    pub(crate) fn new(peers: &Peers) -> Loaders {
        Loaders {
            collections: DataLoader::new(Collections(peers.clone()), tokio::spawn).max_batch_size(BATCH),
            tokens: DataLoader::new(Tokens(peers.clone()), tokio::spawn).max_batch_size(BATCH),
            users: DataLoader::new(Users(peers.clone()), tokio::spawn).max_batch_size(BATCH),
            wallets: DataLoader::new(Wallets(peers.clone()), tokio::spawn).max_batch_size(BATCH),
            chains: DataLoader::new(Chains(peers.clone()), tokio::spawn).max_batch_size(BATCH),
        }
    }
}

/// Failures are shared by all who waited for the batch.
type Failed = Arc<Status>;

pub(crate) struct Collections(Peers);

impl Loader<CollectionId> for Collections {
    type Value = Collection;
    type Error = Failed;

    async fn load(&self, ids: &[CollectionId]) -> Result<HashMap<CollectionId, Collection>, Failed> {
        let asked = BatchGetCollectionsRequest { ids: ids.iter().map(ToString::to_string).collect() };
        let answer =
            self.0.catalog.clone().batch_get_collections(asked).await.map_err(Arc::new)?.into_inner();
        Ok(by_id(answer.collections, |collection| &collection.id))
    }
}

pub(crate) struct Tokens(Peers);

impl Loader<TokenRowId> for Tokens {
    type Value = Token;
    type Error = Failed;

    async fn load(&self, ids: &[TokenRowId]) -> Result<HashMap<TokenRowId, Token>, Failed> {
        let asked = BatchGetTokensRequest { ids: ids.iter().map(ToString::to_string).collect() };
        let answer = self.0.catalog.clone().batch_get_tokens(asked).await.map_err(Arc::new)?.into_inner();
        Ok(by_id(answer.tokens, |token| &token.id))
    }
}

pub(crate) struct Users(Peers);

impl Loader<UserId> for Users {
    type Value = User;
    type Error = Failed;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>, Failed> {
        let asked = BatchGetUsersRequest { user_ids: ids.iter().map(ToString::to_string).collect() };
        let answer = self.0.user.clone().batch_get_users(asked).await.map_err(Arc::new)?.into_inner();
        Ok(by_id(answer.users, |user| &user.user_id))
    }
}

pub(crate) struct Wallets(Peers);

impl Loader<UserId> for Wallets {
    type Value = Vec<Wallet>;
    type Error = Failed;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, Vec<Wallet>>, Failed> {
        let asked = BatchListWalletsRequest { user_ids: ids.iter().map(ToString::to_string).collect() };
        let answer = self.0.wallet.clone().batch_list_wallets(asked).await.map_err(Arc::new)?.into_inner();
        let mut found: HashMap<UserId, Vec<Wallet>> = ids.iter().map(|id| (*id, Vec::new())).collect();
        for wallet in answer.wallets {
            if let Some(wallets) = wallet.user_id.parse().ok().and_then(|id: UserId| found.get_mut(&id)) {
                wallets.push(wallet);
            }
        }
        Ok(found)
    }
}

pub(crate) struct Chains(Peers);

impl Loader<ChainId> for Chains {
    type Value = Chain;
    type Error = Failed;

    // The registry holds a handful of chains: all of them are one small answer.
    async fn load(&self, _: &[ChainId]) -> Result<HashMap<ChainId, Chain>, Failed> {
        let asked = ListChainsRequest { include_disabled: true };
        let answer = self.0.chains.clone().list_chains(asked).await.map_err(Arc::new)?.into_inner();
        Ok(by_id(answer.chains, |chain| &chain.chain_id))
    }
}

fn by_id<K: std::str::FromStr + std::hash::Hash + Eq, V>(
    rows: Vec<V>,
    id: impl Fn(&V) -> &String,
) -> HashMap<K, V> {
    rows.into_iter().filter_map(|row| Some((id(&row).parse().ok()?, row))).collect()
}
