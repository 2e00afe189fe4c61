//! Which chains are enabled, as the registry tells; while it has told this process nothing, as it told an earlier one.

use std::{sync::Arc, time::Duration};

use ids::ChainId;
use sqlx::PgPool;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{error::Error, store};

/// A registry that is away is not waited for at every sign-in.
const TELLS_WITHIN: Duration = Duration::from_millis(500);
const WAIT_AGAIN_AFTER: Duration = Duration::from_secs(5);
const KEEP_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The enabled chains.
#[derive(Clone)]
pub(crate) struct Chains {
    told: ::chains::Chains,
    db: PgPool,
    kept: Arc<Mutex<Kept>>,
}

/// What the database keeps, for a process that begins while the registry is away.
#[derive(Default)]
struct Kept {
    chains: Option<Arc<[ChainId]>>,
    wait_at: Option<Instant>,
}

impl Chains {
    pub(crate) fn new(told: ::chains::Chains, db: PgPool) -> Chains {
        Chains { told, db, kept: Arc::default() }
    }

    /// The enabled chains. Fails only while the registry has never told anybody.
    pub(crate) async fn enabled(&self) -> Result<Arc<[ChainId]>, Error> {
        if let Some(chains) = self.now() {
            return Ok(chains);
        }
        // Held while waiting: one at a time, and whoever comes meanwhile has the answer.
        let mut kept = self.kept.lock().await;
        if kept.wait_at.is_none_or(|at| at <= Instant::now()) {
            let _ = timeout(TELLS_WITHIN, self.told.snapshot()).await;
            kept.wait_at = Some(Instant::now() + WAIT_AGAIN_AFTER);
            if self.now().is_none() {
                let listed = store::list_known_chains(&self.db).await?;
                let chains: Arc<[ChainId]> = listed.iter().filter_map(|chain| chain.parse().ok()).collect();
                kept.chains = Some(chains).filter(|chains| !chains.is_empty());
            }
        }
        self.now().or_else(|| kept.chains.clone()).ok_or(Error::Unavailable("chain-registry"))
    }

    /// Whether a chain is enabled.
    pub(crate) async fn is_enabled(&self, chain_id: ChainId) -> Result<bool, Error> {
        Ok(self.enabled().await?.contains(&chain_id))
    }

    /// Keeps what the registry tells until the process is told to stop.
    pub(crate) async fn keep(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let (mut changed, mut last) = (self.told.changed(), None);
        let keeping = async {
            loop {
                changed.mark_unchanged();
                let chains = self.now();
                let mut is_kept = true;
                if let Some(chains) = chains.filter(|chains| last.as_ref() != Some(chains)) {
                    match store::replace_known_chains(&self.db, &chains).await {
                        Ok(()) => last = Some(chains),
                        Err(err) => {
                            is_kept = false;
                            tracing::warn!(error = %err, "could not keep which chains are enabled");
                        }
                    }
                }
                tokio::select! {
                    told = changed.changed() => if told.is_err() { return },
                    () = tokio::time::sleep(KEEP_AGAIN_AFTER), if !is_kept => {}
                }
            }
        };
        stopping.run_until_cancelled(keeping).await;
        stopping.cancelled().await;
        Ok(())
    }

    fn now(&self) -> Option<Arc<[ChainId]>> {
        let snapshot = self.told.now()?;
        Some(snapshot.chains.values().filter(|chain| chain.is_enabled).map(|chain| chain.chain_id).collect())
    }
}
