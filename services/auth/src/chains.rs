//! Which chains are enabled, as the registry said within the last minute; while it is away, as it said last.

use std::{sync::Arc, time::Duration};

use ids::ChainId;
use proto::chainregistry::v1::{
    ListChainsRequest, chain_registry_service_client::ChainRegistryServiceClient,
};
use rpc::Channel;
use tokio::{sync::Mutex, time::Instant};

use crate::error::Error;

const FRESH_FOR: Duration = Duration::from_secs(60);
/// A registry that is away is not asked at every sign-in.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// The enabled chains.
#[derive(Clone)]
pub(crate) struct Chains {
    registry: ChainRegistryServiceClient<Channel>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    chains: Option<Arc<[ChainId]>>,
    ask_at: Option<Instant>,
}

impl Chains {
    pub(crate) fn new(registry: ChainRegistryServiceClient<Channel>) -> Chains {
        Chains { registry, known: Arc::default() }
    }

    /// The enabled chains. Fails only while the registry has never answered.
    pub(crate) async fn enabled(&self) -> Result<Arc<[ChainId]>, Error> {
        // Held while asking: one question at a time, and whoever waits gets its answer.
        let mut known = self.known.lock().await;
        let is_due = known.ask_at.is_none_or(|at| at <= Instant::now());
        if is_due {
            match self.ask().await {
                Ok(chains) => {
                    *known = Known { chains: Some(chains), ask_at: Some(Instant::now() + FRESH_FOR) }
                }
                Err(why) => {
                    tracing::warn!(error = why, "the chain registry does not answer");
                    known.ask_at = Some(Instant::now() + ASK_AGAIN_AFTER);
                }
            }
        }
        known.chains.clone().ok_or(Error::Unavailable("chain-registry"))
    }

    async fn ask(&self) -> Result<Arc<[ChainId]>, String> {
        let mut registry = self.registry.clone();
        let asking = registry.list_chains(ListChainsRequest { include_disabled: false });
        let answer =
            tokio::time::timeout(ANSWERS_WITHIN, asking).await.map_err(|_| "timed out".to_owned())?;
        let chains = answer.map_err(|status| status.message().to_owned())?.into_inner().chains;
        chains
            .into_iter()
            .filter(|chain| chain.enabled)
            .map(|chain| chain.chain_id.parse::<ChainId>().map_err(|err| err.to_string()))
            .collect()
    }
}
