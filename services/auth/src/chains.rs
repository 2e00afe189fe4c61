//! Which chains are enabled, as the registry said within the last minute; while it is away, as it said last, be it to a
//! process that is gone. About a chain that is not among them it is asked anew: it may have been enabled a moment ago.

use std::{sync::Arc, time::Duration};

use ids::ChainId;
use proto::chainregistry::v1::{
    ListChainsRequest, chain_registry_service_client::ChainRegistryServiceClient,
};
use rpc::Channel;
use sqlx::PgPool;
use tokio::{sync::Mutex, time::Instant};

use crate::{error::Error, store};

const FRESH_FOR: Duration = Duration::from_secs(60);
/// A chain that nobody knows is no reason to ask more often than this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A registry that is away is not asked at every sign-in.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// The enabled chains.
#[derive(Clone)]
pub(crate) struct Chains {
    registry: ChainRegistryServiceClient<Channel>,
    kept_in: Option<PgPool>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    chains: Option<Arc<[ChainId]>>,
    /// What the database keeps, as far as this process knows.
    kept: Option<Arc<[ChainId]>>,
    ask_at: Option<Instant>,
    /// From when on a question that the list does not answer may be put anew.
    look_at: Option<Instant>,
}

impl Chains {
    pub(crate) fn new(registry: ChainRegistryServiceClient<Channel>) -> Chains {
        Chains { registry, kept_in: None, known: Arc::default() }
    }

    /// Keeps what the registry says, for whoever starts while it is away.
    pub(crate) fn keep_in(&mut self, db: PgPool) {
        self.kept_in = Some(db);
    }

    /// The enabled chains. Fails only while the registry has never answered anybody.
    pub(crate) async fn enabled(&self) -> Result<Arc<[ChainId]>, Error> {
        self.listed(|chains| !chains.is_empty()).await
    }

    /// Whether a chain is enabled.
    pub(crate) async fn is_enabled(&self, chain_id: ChainId) -> Result<bool, Error> {
        Ok(self.listed(|chains| chains.contains(&chain_id)).await?.contains(&chain_id))
    }

    /// The list, asked for anew where it is old, or does not suffice and was not asked for just now.
    async fn listed(&self, suffices: impl Fn(&[ChainId]) -> bool) -> Result<Arc<[ChainId]>, Error> {
        // Held while asking: one question at a time, and whoever waits gets its answer.
        let mut known = self.known.lock().await;
        let is_past = |at: Option<Instant>| at.is_none_or(|at| at <= Instant::now());
        let is_short = known.chains.as_ref().is_some_and(|chains| !suffices(chains));
        if is_past(known.ask_at) || (is_short && is_past(known.look_at)) {
            match self.ask().await {
                Ok(chains) => {
                    known.ask_at = Some(Instant::now() + FRESH_FOR);
                    known.look_at = Some(Instant::now() + LOOK_AGAIN_AFTER);
                    known.chains = Some(chains);
                    self.keep(&mut known).await;
                }
                Err(why) => {
                    tracing::warn!(error = why, "the chain registry does not answer");
                    known.ask_at = Some(Instant::now() + ASK_AGAIN_AFTER);
                    known.look_at = known.ask_at;
                    if known.chains.is_none() {
                        known.chains = self.kept().await?;
                        known.kept = known.chains.clone();
                    }
                }
            }
        }
        known.chains.clone().ok_or(Error::Unavailable("chain-registry"))
    }

    async fn keep(&self, known: &mut Known) {
        let (Some(db), Some(chains)) = (&self.kept_in, &known.chains) else { return };
        if known.kept.as_ref() == Some(chains) {
            return;
        }
        match store::replace_known_chains(db, chains).await {
            Ok(()) => known.kept = Some(Arc::clone(chains)),
            Err(err) => tracing::warn!(error = %err, "could not keep which chains are enabled"),
        }
    }

    async fn kept(&self) -> Result<Option<Arc<[ChainId]>>, Error> {
        let Some(db) = &self.kept_in else { return Ok(None) };
        let listed = store::list_known_chains(db).await?;
        let chains: Arc<[ChainId]> = listed.iter().filter_map(|chain| chain.parse().ok()).collect();
        Ok(Some(chains).filter(|chains| !chains.is_empty()))
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
