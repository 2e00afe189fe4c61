//! All chains as one version of the registry has them: asked of the database once a version, checked each second.

use std::{sync::Arc, time::Duration};

use ids::ChainId;
use sqlx::PgPool;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    error::Error,
    model::Chain,
    store::{self, Cache},
};

/// How old an answer may be.
const FRESH_FOR: Duration = Duration::from_millis(500);

/// One state of the registry.
pub(crate) struct Snapshot {
    pub(crate) version: i64,
    pub(crate) chains: Vec<Chain>,
}

impl Snapshot {
    pub(crate) fn find(&self, chain_id: ChainId) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.chain_id == chain_id)
    }
}

/// A snapshot, and when it was last known to be the newest.
struct Checked {
    at: Instant,
    snapshot: Arc<Snapshot>,
}

/// The current snapshot. Who asks while it is being renewed waits for that one renewal.
#[derive(Clone)]
pub(crate) struct Snapshots {
    db: PgPool,
    cache: Cache,
    current: Arc<Mutex<Option<Checked>>>,
}

impl Snapshots {
    pub(crate) fn new(db: PgPool, cache: Cache) -> Snapshots {
        Snapshots { db, cache, current: Arc::default() }
    }

    /// A snapshot that was the registry's state within the last moment.
    pub(crate) async fn current(&self) -> Result<Arc<Snapshot>, Error> {
        let mut current = self.current.lock().await;
        if let Some(Checked { at, snapshot }) = &*current {
            if at.elapsed() < FRESH_FOR {
                return Ok(Arc::clone(snapshot));
            }
            let asked_at = Instant::now();
            if store::get_version(&self.db).await? == snapshot.version {
                let snapshot = Arc::clone(snapshot);
                *current = Some(Checked { at: asked_at, snapshot: Arc::clone(&snapshot) });
                return Ok(snapshot);
            }
        }
        let asked_at = Instant::now();
        let snapshot = Arc::new(self.load().await?);
        *current = Some(Checked { at: asked_at, snapshot: Arc::clone(&snapshot) });
        Ok(snapshot)
    }

    /// Makes the next reader of this process see what was just written.
    pub(crate) async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn load(&self) -> Result<Snapshot, Error> {
        let (version, numbers) = store::get_version_with_chains(&self.db).await?;
        let ids: Result<Vec<ChainId>, _> = numbers.into_iter().map(ChainId::try_from).collect();
        if let Ok(ids) = ids
            && let Some(chains) = self.cache.find_all(&ids, version).await
        {
            return Ok(Snapshot { version, chains });
        }
        let mut tx = self.db.begin().await?;
        store::set_one_state(&mut tx).await?;
        let version = store::get_version(&mut *tx).await?;
        let chains = store::list_chains(&mut tx, None).await?;
        tx.commit().await?;
        self.cache.put_all(&chains, version).await;
        Ok(Snapshot { version, chains })
    }
}
