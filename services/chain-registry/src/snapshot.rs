//! All chains and endpoints as one version of the registry has them: asked of the database once a version.

use std::{
    collections::HashMap,
    io::ErrorKind,
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use ids::ChainId;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    endpoint::Endpoint,
    error::Error,
    model::{Chain, Stamp},
    store::{self, Cache, Observed},
};

/// How old an answer may be.
const FRESH_FOR: Duration = Duration::from_millis(500);
/// How long a renewal may take. A database behind a cut wire says nothing at all, not even that it is away.
const RENEWED_WITHIN: Duration = Duration::from_secs(3);

/// One state of the registry.
pub(crate) struct Snapshot {
    pub(crate) stamp: Stamp,
    pub(crate) chains: Vec<Chain>,
    endpoints: HashMap<ChainId, Vec<Endpoint>>,
}

impl Snapshot {
    pub(crate) fn version(&self) -> i64 {
        self.stamp.version
    }

    pub(crate) fn find(&self, chain_id: ChainId) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.chain_id == chain_id)
    }

    /// Where a chain may be asked. What an operator has switched off is nobody's to dial.
    pub(crate) fn endpoints(&self, chain_id: ChainId) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.get(&chain_id).into_iter().flatten().filter(|endpoint| endpoint.active)
    }
}

/// A snapshot, with what was observed beside it.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) observed: Arc<Observed>,
}

/// The current snapshot, and when it was last known to be the newest.
struct Checked {
    at: Instant,
    current: Current,
}

/// What is known, and when it could not be renewed.
#[derive(Default)]
struct Known {
    checked: Option<Checked>,
    failed_at: Option<Instant>,
}

/// The current snapshot. Who asks while it is being renewed waits for that one renewal, and fails with it.
#[derive(Clone)]
pub(crate) struct Snapshots(Arc<Inner>);

struct Inner {
    db: PgPool,
    cache: Cache,
    known: Mutex<Known>,
    /// When the database said last which version is the newest.
    confirmed_at: SyncMutex<Instant>,
    newest: watch::Sender<Option<Current>>,
    bell: Notify,
}

impl Snapshots {
    pub(crate) fn new(db: PgPool, cache: Cache) -> Snapshots {
        let (newest, _) = watch::channel(None);
        let (known, confirmed_at) = (Mutex::default(), SyncMutex::new(Instant::now()));
        Snapshots(Arc::new(Inner { db, cache, known, confirmed_at, newest, bell: Notify::new() }))
    }

    /// A snapshot that was the registry's state within the last moment.
    pub(crate) async fn current(&self) -> Result<Current, Error> {
        self.not_older_than(FRESH_FOR).await
    }

    /// Asks the database now.
    pub(crate) async fn renew(&self) -> Result<Current, Error> {
        self.not_older_than(Duration::ZERO).await
    }

    /// Makes the next reader of this process see what was just written, and those who wait for it too.
    pub(crate) async fn forget(&self) {
        self.0.known.lock().await.checked = None;
        self.0.bell.notify_one();
    }

    /// Is rung when this process has written.
    pub(crate) async fn written(&self) {
        self.0.bell.notified().await;
    }

    /// Each newest snapshot that was loaded here, one after the other; those in between may be left out.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Current>> {
        self.0.newest.subscribe()
    }

    /// When the newest version was last known to be that.
    pub(crate) fn confirmed_at(&self) -> Instant {
        *self.0.confirmed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn not_older_than(&self, age: Duration) -> Result<Current, Error> {
        let arrived = Instant::now();
        let mut known = self.0.known.lock().await;
        let before = match &known.checked {
            Some(Checked { at, current }) if at.elapsed() < age => return Ok(current.clone()),
            Some(Checked { current, .. }) => Some(Arc::clone(&current.snapshot)),
            None => None,
        };
        // One after the other, those who wait would each find out for themselves that nobody answers.
        if known.failed_at.is_some_and(|failed_at| failed_at >= arrived) {
            return Err(silent().into());
        }
        let at = Instant::now();
        let renewed = self.within_patience(before).await;
        known.failed_at = renewed.is_err().then(Instant::now);
        let current = renewed?;
        known.checked = Some(Checked { at, current: current.clone() });
        *self.0.confirmed_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
        self.0.newest.send_if_modified(|newest| {
            // Not only a later version: a database that was restored from a backup goes back.
            let is_other =
                newest.as_ref().is_none_or(|newest| newest.snapshot.stamp != current.snapshot.stamp);
            if is_other {
                *newest = Some(current.clone());
            }
            is_other
        });
        Ok(current)
    }

    async fn within_patience(&self, before: Option<Arc<Snapshot>>) -> Result<Current, Error> {
        let deadline = Instant::now() + RENEWED_WITHIN;
        let mut connection = timeout_at(deadline, self.0.db.acquire()).await.map_err(|_| silent())??;
        match timeout_at(deadline, self.ask(&mut connection, before)).await {
            Ok(current) => current,
            Err(_) => {
                // The pool would wait for it.
                drop(connection.detach());
                Err(silent().into())
            }
        }
    }

    async fn ask(
        &self,
        connection: &mut PgConnection,
        before: Option<Arc<Snapshot>>,
    ) -> Result<Current, Error> {
        let (stamp, observed) = store::get_stamp_with_observed(&mut *connection).await?;
        let snapshot = match before.filter(|before| before.stamp == stamp) {
            Some(before) => before,
            None => Arc::new(self.load(connection).await?),
        };
        Ok(Current { snapshot, observed: Arc::new(observed) })
    }

    /// Endpoints come from the database alone: their URLs may be secrets, and the cache is nobody's safe.
    async fn load(&self, connection: &mut PgConnection) -> Result<Snapshot, Error> {
        let mut tx = connection.begin().await?;
        store::set_one_state(&mut tx).await?;
        let (stamp, numbers) = store::get_stamp_with_chains(&mut *tx).await?;
        let mut endpoints: HashMap<ChainId, Vec<Endpoint>> = HashMap::new();
        for (chain_id, endpoint) in store::list_endpoints(&mut *tx, None).await? {
            endpoints.entry(chain_id).or_default().push(endpoint);
        }
        let ids: Result<Vec<ChainId>, _> = numbers.into_iter().map(ChainId::try_from).collect();
        let cached = match ids {
            Ok(ids) => self.0.cache.find_all(&ids, stamp).await,
            Err(_) => None,
        };
        let chains = match cached {
            Some(chains) => chains,
            None => {
                let chains = store::list_chains(&mut tx, None).await?;
                self.0.cache.put_all(&chains, stamp).await;
                chains
            }
        };
        tx.commit().await?;
        Ok(Snapshot { stamp, chains, endpoints })
    }
}

/// The database did not answer in time; to a caller the same as one that is away.
fn silent() -> sqlx::Error {
    sqlx::Error::Io(ErrorKind::TimedOut.into())
}
