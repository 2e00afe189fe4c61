//! The services that orchestrator asks or tells: wallet, catalog, chain-registry, auth. Each call has a deadline.

use std::time::Duration;

use ids::{Address, ChainId, IntentId, UserId};
use proto::{
    auth::v1::{SetIntentContextRequest, auth_service_client::AuthServiceClient},
    catalog::v1::{
        PutPendingCollectionRequest, RemovePendingCollectionRequest,
        catalog_service_client::CatalogServiceClient,
    },
    chainregistry::v1::chain_registry_service_client::ChainRegistryServiceClient,
    common::v1::{ContractRef, TokenStandard},
    wallet::v1::{BatchListWalletsRequest, wallet_service_client::WalletServiceClient},
};
use rpc::Channel;
use tokio::time::timeout;
use tonic::Status;

use crate::{
    ask::{CreateAsk, Standard},
    config::PeerUrls,
    error::Error,
    model::Intent,
};

const ANSWERS_WITHIN: Duration = Duration::from_millis(1500);
/// What nothing depends on is not waited for longer.
const NOTES_WITHIN: Duration = Duration::from_millis(500);

/// The clients.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) registry: ChainRegistryServiceClient<Channel>,
    catalog: CatalogServiceClient<Channel>,
    wallet: WalletServiceClient<Channel>,
    auth: AuthServiceClient<Channel>,
}

impl Peers {
    pub(crate) fn of(urls: &PeerUrls, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        let registry = rpc::channel("chain-registry", &urls.chain_registry, identity)?;
        Ok(Peers {
            registry: ChainRegistryServiceClient::new(registry),
            catalog: CatalogServiceClient::new(rpc::channel("catalog", &urls.catalog, identity)?),
            wallet: WalletServiceClient::new(rpc::channel("wallet", &urls.wallet, identity)?),
            auth: AuthServiceClient::new(rpc::channel("auth", &urls.auth, identity)?),
        })
    }

    /// Fails unless the address is a wallet of the user on this chain: anywhere for a key, there for a contract.
    pub(crate) async fn require_wallet(
        &self,
        user_id: UserId,
        address: Address,
        chain_id: ChainId,
    ) -> Result<(), Error> {
        let request = BatchListWalletsRequest { user_ids: vec![user_id.to_string()] };
        let mut wallet = self.wallet.clone();
        let answer = timeout(ANSWERS_WITHIN, wallet.batch_list_wallets(request)).await;
        let wallets = answered("wallet", answer)?.wallets;
        let (address_text, chain_text) = (address.to_lower(), chain_id.to_string());
        let is_owned = wallets.iter().any(|wallet| {
            wallet.address == address_text && (wallet.r#type != "contract" || wallet.chain_id == chain_text)
        });
        if is_owned { Ok(()) } else { Err(Error::NotYourWallet(address)) }
    }

    /// Tells the catalog of a collection that is about to be.
    pub(crate) async fn put_pending(&self, intent: &Intent, ask: &CreateAsk) -> Result<(), Error> {
        let request = PutPendingCollectionRequest {
            intent_id: intent.intent_id.to_string(),
            contract: Some(ContractRef {
                chain_id: intent.chain_id.to_string(),
                address: intent.preview_address.map(|address| address.to_lower()).unwrap_or_default(),
            }),
            standard: match ask.standard {
                Standard::Erc721 => TokenStandard::Erc721,
                Standard::Erc1155 => TokenStandard::Erc1155,
            }
            .into(),
            name: ask.name.clone(),
            symbol: ask.symbol.clone(),
            creator: ask.creator.to_lower(),
            metadata_uri: ask.metadata_uri.clone(),
            max_supply: if ask.max_supply.is_zero() { String::new() } else { ask.max_supply.to_string() },
            royalty_bps: ask.royalty_bps,
        };
        let mut catalog = self.catalog.clone();
        answered("catalog", timeout(ANSWERS_WITHIN, catalog.put_pending_collection(request)).await).map(drop)
    }

    /// Tells the catalog that a collection will not be.
    pub(crate) async fn remove_pending(&self, intent_id: IntentId) -> Result<(), Error> {
        let request = RemovePendingCollectionRequest { intent_id: intent_id.to_string() };
        let mut catalog = self.catalog.clone();
        answered("catalog", timeout(ANSWERS_WITHIN, catalog.remove_pending_collection(request)).await)
            .map(drop)
    }

    /// Tells auth what a session is preparing. It is a note for the session's owner: one that is lost is no harm.
    pub(crate) async fn note_intent(&self, intent: &Intent) {
        let Some(session_id) = intent.session_id.clone() else { return };
        let request = SetIntentContextRequest {
            session_id,
            user_id: intent.created_by.to_string(),
            chain_id: intent.chain_id.to_string(),
            kind: intent.kind.as_str().to_owned(),
            intent_id: intent.intent_id.to_string(),
        };
        let mut auth = self.auth.clone();
        // The answer is logged; there is nothing else to do with it.
        drop(answered("auth", timeout(NOTES_WITHIN, auth.set_intent_context(request)).await));
    }
}

fn answered<T>(
    peer: &'static str,
    answer: Result<Result<tonic::Response<T>, Status>, tokio::time::error::Elapsed>,
) -> Result<T, Error> {
    match answer {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => {
            tracing::warn!(peer, code = ?status.code(), error = status.message(), "a service did not do its part");
            Err(Error::Unavailable(peer))
        }
        Err(_) => {
            tracing::warn!(peer, "a service did not answer in time");
            Err(Error::Unavailable(peer))
        }
    }
}
