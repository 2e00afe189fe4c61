//! Loads each new version within a moment of its commit, whoever wrote it, so that those who watch are told.

use std::{io::ErrorKind, time::Duration};

use sqlx::PgPool;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{error::Error, snapshot::Snapshots, store};

/// When the version is looked at although nobody told of a new one: a word may be lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const CONNECT_EVERY: Duration = Duration::from_secs(1);
const SILENT_MOST: Duration = Duration::from_secs(30);
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

pub(crate) async fn follow_versions(
    db: PgPool,
    snapshots: Snapshots,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let told = Notify::new();
    let work = async { tokio::join!(listen(&db, &told), look(&snapshots, &told)) };
    tokio::select! {
        () = stopping.cancelled() => {}
        _ = work => {}
    }
    Ok(())
}

/// Rings for each word of the database. A connection that broke may have missed one, so a new one rings too; and one that
/// has been silent is asked whether it is there at all.
async fn listen(db: &PgPool, told: &Notify) {
    loop {
        let heard: Result<(), sqlx::Error> = async {
            let silent = |_| sqlx::Error::Io(ErrorKind::TimedOut.into());
            let mut listener = timeout(ANSWERS_WITHIN, store::listen(db)).await.map_err(silent)??;
            told.notify_one();
            loop {
                match timeout(SILENT_MOST, listener.recv()).await {
                    Ok(heard) => drop(heard?),
                    Err(_) => {
                        let asked = store::ask_listener(&mut listener);
                        timeout(ANSWERS_WITHIN, asked).await.map_err(silent)??;
                    }
                }
                told.notify_one();
            }
        }
        .await;
        if let Err(err) = heard {
            tracing::warn!(error = %err, "does not hear of new versions and looks for them");
        }
        sleep(CONNECT_EVERY).await;
    }
}

async fn look(snapshots: &Snapshots, told: &Notify) {
    let mut has_failed = false;
    loop {
        tokio::select! {
            () = told.notified() => {}
            () = snapshots.written() => {}
            () = sleep(LOOK_EVERY) => {}
        }
        let renewed: Result<_, Error> = snapshots.renew().await;
        // Told once: the database's own absence is told by whatever needs it.
        if let Err(err) = &renewed
            && !has_failed
        {
            tracing::warn!(error = %err, "the newest version is not known");
        }
        has_failed = renewed.is_err();
    }
}
