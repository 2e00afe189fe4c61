//! One worker a chain in the whole fleet: who holds the lease follows, the others wait for it.

use std::time::{Duration, Instant};

use ids::ChainId;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{error::Error, progress::Progress, store};

/// The right to follow a chain, for as long as it is renewed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) chain_id: ChainId,
    holder: Uuid,
    epoch: i64,
    ttl: Duration,
}

/// Waits until the chain is free and takes it.
pub(crate) async fn acquire(
    db: &PgPool,
    chain_id: ChainId,
    holder: Uuid,
    ttl: Duration,
    progress: &Progress,
) -> Lease {
    loop {
        let answer = store::lease::acquire_lease(db, chain_id, holder, ttl.as_secs_f64()).await;
        progress.lease_known(chain_id, answer.is_ok());
        match answer {
            Ok(Some(epoch)) => {
                tracing::info!(chain.id = %chain_id, lease.epoch = epoch, "took the lease on a chain");
                return Lease { chain_id, holder, epoch, ttl };
            }
            Ok(None) => {}
            Err(err) => tracing::warn!(chain.id = %chain_id, error = %err, "cannot ask for the lease"),
        }
        tokio::time::sleep(ttl / 8).await;
    }
}

impl Lease {
    /// Renews until the lease is lost, and then returns.
    pub(crate) async fn keep(&self, db: &PgPool, progress: &Progress) {
        let mut renewed_at = Instant::now();
        while renewed_at.elapsed() < self.ttl {
            tokio::time::sleep(self.ttl / 4).await;
            let ttl_secs = self.ttl.as_secs_f64();
            let answer =
                store::lease::renew_lease(db, self.chain_id, self.holder, self.epoch, ttl_secs).await;
            progress.lease_known(self.chain_id, answer.is_ok());
            match answer {
                // From the answer on: the question may have waited for a commit of ours that took longer than the lease,
                // and the lease was renewed after it. Who may commit, the database says in each commit.
                Ok(true) => renewed_at = Instant::now(),
                Ok(false) => break,
                Err(err) => tracing::warn!(chain.id = %self.chain_id, error = %err, "cannot renew the lease"),
            }
        }
        tracing::warn!(chain.id = %self.chain_id, lease.epoch = self.epoch, "lost the lease on a chain");
    }

    /// The first statement of every commit: fails when somebody else has the chain, and holds off who wants it until
    /// the commit's end.
    pub(crate) async fn check(&self, tx: &mut PgConnection) -> Result<(), Error> {
        let ttl_secs = self.ttl.as_secs_f64();
        let is_ours = store::lease::lock_lease(tx, self.chain_id, self.holder, self.epoch, ttl_secs).await?;
        is_ours.then_some(()).ok_or(Error::LeaseLost)
    }

    /// The last statement of a commit that may have taken long: nobody who comes right after it finds the lease expired.
    pub(crate) async fn outlast(&self, tx: &mut PgConnection, began: Instant) -> Result<(), Error> {
        if began.elapsed() < self.ttl / 2 {
            return Ok(());
        }
        self.check(tx).await
    }

    /// Lets the next one go on at once.
    pub(crate) async fn release(&self, db: &PgPool) {
        if let Err(err) = store::lease::release_lease(db, self.chain_id, self.holder, self.epoch).await {
            tracing::warn!(chain.id = %self.chain_id, error = %err, "cannot give the lease back");
        }
    }
}
