//! When a wallet was last used, mirrored in Redis for whoever shows it often. The truth is `wallet_links.last_seen_at`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use ids::WalletId;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

const TTL_SECS: u64 = 30 * 24 * 3600;
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// `wallet:last-seen:{walletId}`.
#[derive(Clone)]
pub(crate) struct LastSeen {
    redis: ConnectionManager,
}

impl LastSeen {
    /// Connects at the first use; a Redis that is away is told by `/ready` and makes nothing fail.
    pub(crate) fn open(url: &launch::Secret, process: &mut launch::Process) -> anyhow::Result<LastSeen> {
        // The library's message may quote the URL, and with it the password.
        let client =
            redis::Client::open(url.expose()).map_err(|_| anyhow::anyhow!("redis_url is not a Redis URL"))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWERS_WITHIN))
            .set_response_timeout(Some(ANSWERS_WITHIN))
            .set_number_of_retries(1);
        let redis = client.get_connection_manager_lazy(config)?;
        let asked = redis.clone();
        process.ready("redis", move || {
            let mut redis = asked.clone();
            async move {
                let ping = redis::cmd("PING");
                let answer =
                    tokio::time::timeout(ANSWERS_WITHIN, ping.query_async::<String>(&mut redis)).await;
                let is_up = matches!(answer, Ok(Ok(_)));
                Ok(serde_json::json!({ "reachable": is_up, "required": false }))
            }
            .boxed()
        });
        Ok(LastSeen { redis })
    }

    /// Mirrors a time that is in the database already; not worth waiting for.
    pub(crate) fn mirror(&self, wallet_id: WalletId, at: DateTime<Utc>) {
        let mut redis = self.redis.clone();
        tokio::spawn(async move {
            let mut set = redis::cmd("SET");
            set.arg(format!("wallet:last-seen:{wallet_id}")).arg(at.to_rfc3339()).arg("EX").arg(TTL_SECS);
            let setting = set.query_async::<()>(&mut redis);
            if !matches!(tokio::time::timeout(ANSWERS_WITHIN, setting).await, Ok(Ok(()))) {
                tracing::debug!(wallet.id = %wallet_id, "could not mirror a last use");
            }
        });
    }
}
