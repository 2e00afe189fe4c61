//! Data loaders: what many fields of one request ask for singly is asked of a service once.

mod single;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use async_graphql::dataloader::{DataLoader, Loader};
use ids::{ChainId, CollectionId, TokenRowId, UserId};
use proto::{
    catalog::v1::{BatchGetCollectionsRequest, BatchGetTokensRequest, Collection, Token},
    chainregistry::v1::{Chain, ListChainsRequest},
    common::v1::Caller,
    user::v1::{BatchGetStatsRequest, BatchGetUsersRequest, BatchIsFollowingRequest, Stats, User},
    wallet::v1::{BatchListWalletsRequest, Wallet},
};
use tonic::Status;
use tracing::Instrument;

use self::single::{CollectionsAt, Intents, Orders, TokensAt};
pub(crate) use self::single::{Place, TokenPlace};
use crate::{peers::Peers, viewer::Viewer};

/// The most that a service takes in one call.
const BATCH: usize = 100;

/// One set a request: nothing that one viewer loaded is shown to another.
pub(crate) struct Loaders {
    pub(crate) collections: DataLoader<Collections>,
    pub(crate) tokens: DataLoader<Tokens>,
    pub(crate) users: DataLoader<Users>,
    pub(crate) stats: DataLoader<UserStats>,
    pub(crate) wallets: DataLoader<Wallets>,
    pub(crate) chains: DataLoader<Chains>,
    pub(crate) orders: DataLoader<Orders>,
    pub(crate) tokens_at: DataLoader<TokensAt>,
    /// Collections by their contracts, as the viewer may see them; made when one is first asked for.
    collections_at: OnceLock<DataLoader<CollectionsAt>>,
    /// The viewer's intents with their steps; made when one is first asked for.
    intents: OnceLock<DataLoader<Intents>>,
    /// Whom the viewer follows; made when it is first asked for.
    following: OnceLock<DataLoader<Following>>,
    peers: Peers,
}

impl Loaders {
    pub(crate) fn new(peers: &Peers) -> Loaders {
        Loaders {
            collections: DataLoader::new(Collections(peers.clone()), spawned).max_batch_size(BATCH),
            tokens: DataLoader::new(Tokens(peers.clone()), spawned).max_batch_size(BATCH),
            users: DataLoader::new(Users(peers.clone()), spawned).max_batch_size(BATCH),
            stats: DataLoader::new(UserStats(peers.clone()), spawned).max_batch_size(BATCH),
            wallets: DataLoader::new(Wallets(peers.clone()), spawned).max_batch_size(BATCH),
            chains: DataLoader::new(Chains(peers.clone()), spawned).max_batch_size(BATCH),
            orders: DataLoader::new(Orders(peers.clone()), spawned).max_batch_size(BATCH),
            tokens_at: DataLoader::new(TokensAt(peers.clone()), spawned).max_batch_size(BATCH),
            collections_at: OnceLock::new(),
            intents: OnceLock::new(),
            following: OnceLock::new(),
            peers: peers.clone(),
        }
    }

    /// Collections by their contracts, as this request's viewer may see them.
    pub(crate) fn collections_at(&self, viewer: Option<&Viewer>) -> &DataLoader<CollectionsAt> {
        self.collections_at.get_or_init(|| {
            let loader = CollectionsAt { peers: self.peers.clone(), viewer: viewer.map(Viewer::caller) };
            DataLoader::new(loader, spawned).max_batch_size(BATCH)
        })
    }

    /// This request's viewer's intents with their steps.
    pub(crate) fn intents(&self, viewer: &Viewer) -> &DataLoader<Intents> {
        self.intents.get_or_init(|| {
            let loader = Intents { peers: self.peers.clone(), viewer: viewer.caller() };
            DataLoader::new(loader, spawned).max_batch_size(BATCH)
        })
    }

    /// Whom this request's viewer follows: a request has one viewer at most.
    pub(crate) fn following(&self, viewer: &Viewer) -> &DataLoader<Following> {
        self.following.get_or_init(|| {
            let loader = Following { peers: self.peers.clone(), viewer: viewer.caller() };
            DataLoader::new(loader, spawned).max_batch_size(BATCH)
        })
    }
}

/// A batch is loaded by a task of its own, which has the time and the name of the request that it is loaded for.
fn spawned(batch: impl Future<Output = ()> + Send + 'static) {
    let (left, request_id) = (rpc::remaining(), rpc::request_id());
    let batch = batch.in_current_span();
    match left {
        Some(left) => tokio::spawn(async move { rpc::within(left, request_id.as_deref(), batch).await }),
        None => tokio::spawn(batch),
    };
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

pub(crate) struct UserStats(Peers);

impl Loader<UserId> for UserStats {
    type Value = Stats;
    type Error = Failed;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, Stats>, Failed> {
        let asked = BatchGetStatsRequest { user_ids: ids.iter().map(ToString::to_string).collect() };
        let answer = self.0.user.clone().batch_get_stats(asked).await.map_err(Arc::new)?.into_inner();
        Ok(by_id(answer.stats, |stats| &stats.user_id))
    }
}

pub(crate) struct Following {
    peers: Peers,
    viewer: Caller,
}

impl Loader<UserId> for Following {
    type Value = bool;
    type Error = Failed;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, bool>, Failed> {
        let asked = BatchIsFollowingRequest { user_ids: ids.iter().map(ToString::to_string).collect() };
        let asked = rpc::caller::acting(asked, &self.viewer);
        let answer = self.peers.user.clone().batch_is_following(asked).await.map_err(Arc::new)?.into_inner();
        Ok(answer.user_ids.iter().filter_map(|id| Some((id.parse().ok()?, true))).collect())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_batch_has_the_time_and_the_name_of_its_request() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let request = async {
            spawned(async move {
                let _ = tell.send((rpc::remaining(), rpc::request_id()));
            });
        };
        rpc::within(Duration::from_secs(5), Some("request-1"), request).await;
        let (left, request_id) = told.await.unwrap();
        assert!(left.is_some_and(|left| left <= Duration::from_secs(5)));
        assert_eq!(request_id.as_deref(), Some("request-1"));
    }
}
