//! A stream of snapshots: the one that is now, and each that comes after it. Who reads slowly is told of the newest alone.
//! A stream ends when this process has not heard from the database for a while: another one may have.

use std::{sync::Arc, time::Duration};

use futures::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::Error,
    model::Stamp,
    snapshot::{Current, Snapshots},
};

/// For so long nobody needs to confirm that the newest version is that.
const UNCONFIRMED_MOST: Duration = Duration::from_secs(10);

/// Who may watch: so many at once, until the process stops.
#[derive(Clone)]
pub(crate) struct Watchers {
    places: Arc<Semaphore>,
    stopping: CancellationToken,
}

struct Watcher {
    newest: watch::Receiver<Option<Current>>,
    told: Stamp,
    snapshots: Snapshots,
    stopping: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Watchers {
    pub(crate) fn new(most: u32, stopping: CancellationToken) -> Watchers {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Watchers { places: Arc::new(Semaphore::new(most)), stopping }
    }

    pub(crate) async fn watch_snapshot(
        &self,
        snapshots: &Snapshots,
    ) -> Result<impl Stream<Item = Current> + Send + use<>, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::TooManyWatchers)?;
        let newest = snapshots.watch();
        // What is newest here may be unknown yet, or of before a moment.
        let first = snapshots.current().await?;
        let (told, snapshots, stopping) = (first.snapshot.stamp, snapshots.clone(), self.stopping.clone());
        let watcher = Watcher { newest, told, snapshots, stopping, _place: place };
        let later = stream::unfold(watcher, async |mut watcher| {
            let next = watcher.next().await?;
            Some((next, watcher))
        });
        Ok(futures::StreamExt::chain(stream::iter([first]), later))
    }
}

impl Watcher {
    async fn next(&mut self) -> Option<Current> {
        loop {
            let lapses = self.snapshots.confirmed_at() + UNCONFIRMED_MOST;
            tokio::select! {
                () = self.stopping.cancelled() => return None,
                changed = self.newest.changed() => changed.ok()?,
                () = sleep_until(lapses) => {
                    if self.snapshots.confirmed_at() + UNCONFIRMED_MOST <= Instant::now() {
                        return None;
                    }
                }
            }
            let newest = self.newest.borrow_and_update().clone();
            if let Some(newest) = newest.filter(|newest| newest.snapshot.stamp != self.told) {
                self.told = newest.snapshot.stamp;
                return Some(newest);
            }
        }
    }
}
