//! The services that orchestrator asks or tells: wallet, catalog, chain-registry, auth, indexer. Each call has a deadline.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Once, PoisonError},
    time::Duration,
};

use ids::{Address, ChainId, IntentId, UserId};
use proto::{
    auth::v1::{SetIntentContextRequest, auth_service_client::AuthServiceClient},
    catalog::v1::{
        PutPendingCollectionRequest, RemovePendingCollectionRequest,
        catalog_service_client::CatalogServiceClient,
    },
    chainregistry::v1::{SuggestFeesRequest, chain_registry_service_client::ChainRegistryServiceClient},
    common::v1::{ContractRef, TokenStandard},
    indexer::v1::{FollowPayerRequest, ListCheckpointsRequest, indexer_service_client::IndexerServiceClient},
    wallet::v1::{BatchListWalletsRequest, wallet_service_client::WalletServiceClient},
};
use rpc::Channel;
use tokio::time::{Instant, timeout};
use tonic::Status;

use crate::{
    ask::{CreateAsk, Standard},
    config::PeerUrls,
    error::Error,
    fees::Fees,
    model::Intent,
};

const ANSWERS_WITHIN: Duration = Duration::from_millis(1500);
/// What nothing depends on is not waited for longer.
const NOTES_WITHIN: Duration = Duration::from_millis(500);
/// The registry may have to ask the chain.
const FEES_WITHIN: Duration = Duration::from_secs(3);
/// How long a suggestion of fees is taken for granted, and how long it stands in while the registry is away.
const FEES_FRESH: Duration = Duration::from_secs(2);
const FEES_STALE: Duration = Duration::from_secs(60);

/// The clients.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) registry: ChainRegistryServiceClient<Channel>,
    pub(crate) catalog: CatalogServiceClient<Channel>,
    wallet: WalletServiceClient<Channel>,
    auth: AuthServiceClient<Channel>,
    indexer: IndexerServiceClient<Channel>,
    fees: Arc<Mutex<HashMap<ChainId, (Instant, Fees)>>>,
}

impl Peers {
    pub(crate) fn of(urls: &PeerUrls, identity: &rpc::Identity) -> anyhow::Result<Peers> {
        let registry = rpc::channel("chain-registry", &urls.chain_registry, identity)?;
        Ok(Peers {
            registry: ChainRegistryServiceClient::new(registry),
            catalog: CatalogServiceClient::new(rpc::channel("catalog", &urls.catalog, identity)?),
            wallet: WalletServiceClient::new(rpc::channel("wallet", &urls.wallet, identity)?),
            auth: AuthServiceClient::new(rpc::channel("auth", &urls.auth, identity)?),
            indexer: IndexerServiceClient::new(rpc::channel("indexer", &urls.indexer, identity)?),
            fees: Arc::default(),
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

    /// Whether wallet keeps the address as a contract account of the user; None where it cannot say.
    pub(crate) async fn is_contract_wallet(&self, user_id: UserId, address: Address) -> Option<bool> {
        let request = BatchListWalletsRequest { user_ids: vec![user_id.to_string()] };
        let mut wallet = self.wallet.clone();
        let answer = timeout(ANSWERS_WITHIN, wallet.batch_list_wallets(request)).await;
        let wallets = answered("wallet", answer).ok()?.wallets;
        let address = address.to_lower();
        Some(wallets.iter().any(|wallet| wallet.address == address && wallet.r#type == "contract"))
    }

    /// What a transaction should offer for gas on a chain: the registry observes it, and has the chain's policy.
    pub(crate) async fn suggest_fees(&self, chain_id: ChainId) -> Result<Fees, Error> {
        let kept = self.fees.lock().unwrap_or_else(PoisonError::into_inner).get(&chain_id).copied();
        if let Some((at, fees)) = kept
            && at.elapsed() < FEES_FRESH
        {
            return Ok(fees);
        }
        let request = SuggestFeesRequest { chain_id: chain_id.to_string() };
        let mut registry = self.registry.clone();
        let answer = timeout(FEES_WITHIN, registry.suggest_fees(request)).await;
        let told = answered("chain-registry", answer).and_then(|told| {
            let wei = |text: &str| amounts::parse(text).map_err(|_| Error::Unavailable("chain-registry"));
            Ok(Fees {
                max_fee: wei(&told.max_fee_per_gas)?,
                priority_fee: wei(&told.max_priority_fee_per_gas)?,
            })
        });
        match (told, kept) {
            (Ok(fees), _) => {
                let mut kept = self.fees.lock().unwrap_or_else(PoisonError::into_inner);
                kept.insert(chain_id, (Instant::now(), fees));
                Ok(fees)
            }
            (Err(_), Some((at, fees))) if at.elapsed() < FEES_STALE => Ok(fees),
            (Err(err), _) => Err(err),
        }
    }

    /// The newest block of a chain whose events the indexer has told.
    pub(crate) async fn find_indexed_block(&self, chain_id: ChainId) -> Result<u64, Error> {
        let request = ListCheckpointsRequest { chain_id: chain_id.to_string() };
        let mut indexer = self.indexer.clone();
        let answer = timeout(ANSWERS_WITHIN, indexer.list_checkpoints(request)).await;
        let checkpoint = answered("indexer", answer)?.checkpoints.into_iter().next();
        let indexed = checkpoint.and_then(|at| at.indexed.map(|block| (block.number, at.halted)));
        match indexed {
            // Which of its blocks still stand is for somebody to find out.
            Some((number, true)) => {
                Err(Error::NotYet(format!("the index of {chain_id} has stopped at block {number}")))
            }
            Some((number, false)) => Ok(number),
            None => Err(Error::NotYet(format!("the index of {chain_id} has not begun"))),
        }
    }

    /// Has the indexer tell of what an account has and allows of a currency, from now on. Safe to repeat. Where it follows
    /// as many accounts as it can, nobody is refused for it: the offer is looked at like those of before it followed any.
    pub(crate) async fn follow_payer(
        &self,
        chain_id: ChainId,
        currency: Address,
        account: Address,
    ) -> Result<(), Error> {
        let request = FollowPayerRequest {
            chain_id: chain_id.to_string(),
            token: currency.to_lower(),
            account: account.to_lower(),
        };
        let mut indexer = self.indexer.clone();
        match timeout(ANSWERS_WITHIN, indexer.follow_payer(request)).await {
            Ok(Err(status)) if status.code() == tonic::Code::ResourceExhausted => {
                static TOLD: Once = Once::new();
                TOLD.call_once(|| {
                    tracing::warn!(chain.id = %chain_id, error = status.message(), "makers of offers are not followed");
                });
                Ok(())
            }
            answer => answered("indexer", answer).map(drop),
        }
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
        let answer = timeout(ANSWERS_WITHIN, catalog.put_pending_collection(request)).await;
        answered_for_good("catalog", answer).map(drop)
    }

    /// Tells the catalog that a collection will not be.
    pub(crate) async fn remove_pending(&self, intent_id: IntentId) -> Result<(), Error> {
        let request = RemovePendingCollectionRequest { intent_id: intent_id.to_string() };
        let mut catalog = self.catalog.clone();
        let answer = timeout(ANSWERS_WITHIN, catalog.remove_pending_collection(request)).await;
        answered_for_good("catalog", answer).map(drop)
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

/// Like [`answered`]; what would be refused each time is a conflict.
fn answered_for_good<T>(
    peer: &'static str,
    answer: Result<Result<tonic::Response<T>, Status>, tokio::time::error::Elapsed>,
) -> Result<T, Error> {
    use tonic::Code::{AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, OutOfRange};
    match &answer {
        Ok(Err(status))
            if matches!(
                status.code(),
                AlreadyExists | FailedPrecondition | InvalidArgument | NotFound | OutOfRange
            ) =>
        {
            Err(Error::Conflict(format!("{peer} refuses it: {}", status.message())))
        }
        _ => answered(peer, answer),
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

#[cfg(test)]
mod tests {
    use amounts::U256;
    use proto::chainregistry::v1::{Chain, DialledChain, SuggestFeesResponse};

    use super::*;

    #[tokio::test]
    async fn fees_are_kept_for_a_moment_and_stand_in_for_a_minute() {
        let certs = testkit::certs();
        let (registry, door) = testkit::registry(&certs);
        let chain = Chain { chain_id: "eip155:1".into(), ..Chain::default() };
        registry.put(DialledChain { chain: Some(chain), ..DialledChain::default() });
        let suggest = |fee: u64| {
            registry.set_fees(SuggestFeesResponse {
                max_fee_per_gas: fee.to_string(),
                max_priority_fee_per_gas: "1".into(),
                ..SuggestFeesResponse::default()
            });
        };
        let identity = rpc::Identity::load(&certs.settings_for("orchestrator")).unwrap();
        let url = door.url.clone();
        let urls = PeerUrls {
            chain_registry: url.clone(),
            catalog: url.clone(),
            wallet: url.clone(),
            auth: url.clone(),
            indexer: url,
        };
        let peers = Peers::of(&urls, &identity).unwrap();
        let chain_id = ChainId::new(1).unwrap();
        let asked = async || peers.suggest_fees(chain_id).await.map(|fees| fees.max_fee);
        let age = |seconds: u64| {
            for (at, _) in peers.fees.lock().unwrap().values_mut() {
                *at = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
            }
        };

        suggest(30);
        assert_eq!(asked().await.unwrap(), U256::from(30));
        suggest(40);
        assert_eq!(asked().await.unwrap(), U256::from(30));
        age(3);
        assert_eq!(asked().await.unwrap(), U256::from(40));

        registry.set_down(true);
        age(59);
        assert_eq!(asked().await.unwrap(), U256::from(40));
        age(61);
        assert!(matches!(asked().await, Err(Error::Unavailable("chain-registry"))));
    }
}
