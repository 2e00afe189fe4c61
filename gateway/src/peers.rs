//! The services that the gateway calls: one client each, all clones share a connection.

use proto::{
    auth::v1::auth_service_client::AuthServiceClient,
    catalog::v1::catalog_service_client::CatalogServiceClient,
    chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient,
    indexer::v1::indexer_service_client::IndexerServiceClient,
    media::v1::media_service_client::MediaServiceClient,
    orchestrator::v1::{
        allowlist_service_client::AllowlistServiceClient,
        collection_orchestrator_service_client::CollectionOrchestratorServiceClient,
        intent_service_client::IntentServiceClient,
        market_orchestrator_service_client::MarketOrchestratorServiceClient,
        mint_orchestrator_service_client::MintOrchestratorServiceClient,
    },
    subscription::v1::subscription_service_client::SubscriptionServiceClient,
    user::v1::user_service_client::UserServiceClient,
    wallet::v1::wallet_service_client::WalletServiceClient,
};
use rpc::Channel;

use crate::config;

/// The services, ready to be called.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) auth: AuthServiceClient<Channel>,
    pub(crate) user: UserServiceClient<Channel>,
    pub(crate) wallet: WalletServiceClient<Channel>,
    pub(crate) collections: CollectionOrchestratorServiceClient<Channel>,
    pub(crate) mints: MintOrchestratorServiceClient<Channel>,
    pub(crate) market: MarketOrchestratorServiceClient<Channel>,
    pub(crate) allowlists: AllowlistServiceClient<Channel>,
    pub(crate) intents: IntentServiceClient<Channel>,
    pub(crate) media: MediaServiceClient<Channel>,
    pub(crate) chains: ChainRegistryServiceClient<Channel>,
    pub(crate) catalog: CatalogServiceClient<Channel>,
    pub(crate) indexer: IndexerServiceClient<Channel>,
    pub(crate) subscriptions: SubscriptionServiceClient<Channel>,
}

impl Peers {
    pub(crate) fn connect(urls: &config::Peers, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        let orchestrator = rpc::channel("orchestrator", &urls.orchestrator, identity)?;
        Ok(Peers {
            auth: AuthServiceClient::new(rpc::channel("auth", &urls.auth, identity)?),
            user: UserServiceClient::new(rpc::channel("user", &urls.user, identity)?),
            wallet: WalletServiceClient::new(rpc::channel("wallet", &urls.wallet, identity)?),
            collections: CollectionOrchestratorServiceClient::new(orchestrator.clone()),
            mints: MintOrchestratorServiceClient::new(orchestrator.clone()),
            market: MarketOrchestratorServiceClient::new(orchestrator.clone()),
            allowlists: AllowlistServiceClient::new(orchestrator.clone()),
            intents: IntentServiceClient::new(orchestrator),
            media: MediaServiceClient::new(rpc::channel("media", &urls.media, identity)?),
            chains: ChainRegistryServiceClient::new(rpc::channel(
                "chain-registry",
                &urls.chain_registry,
                identity,
            )?),
            catalog: CatalogServiceClient::new(rpc::channel("catalog", &urls.catalog, identity)?),
            indexer: IndexerServiceClient::new(rpc::channel("indexer", &urls.indexer, identity)?),
            subscriptions: SubscriptionServiceClient::new(rpc::channel(
                "subs-worker",
                &urls.subs_worker,
                identity,
            )?),
        })
    }
}
