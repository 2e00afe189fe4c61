//! When a wallet was last used, mirrored in Redis for whoever shows it often. The truth is `wallet_links.last_seen_at`.

use chrono::{DateTime, Utc};
use ids::WalletId;
use redis::aio::ConnectionManager;

use super::nearby::PATIENCE;

const TTL_SECS: u64 = 30 * 24 * 3600;

/// `wallet:last-seen:{walletId}`.
#[derive(Clone)]
pub(crate) struct LastSeen {
    redis: ConnectionManager,
}

impl LastSeen {
    pub(crate) fn over(redis: ConnectionManager) -> LastSeen {
        LastSeen { redis }
    }

    /// Mirrors a time that is in the database already; not worth waiting for.
    pub(crate) fn mirror(&self, wallet_id: WalletId, at: DateTime<Utc>) {
        let mut redis = self.redis.clone();
        tokio::spawn(async move {
            let mut set = redis::cmd("SET");
            set.arg(format!("wallet:last-seen:{wallet_id}")).arg(at.to_rfc3339()).arg("EX").arg(TTL_SECS);
            let setting = set.query_async::<()>(&mut redis);
            if !matches!(tokio::time::timeout(PATIENCE, setting).await, Ok(Ok(()))) {
                tracing::debug!(wallet.id = %wallet_id, "could not mirror a last use");
            }
        });
    }
}
