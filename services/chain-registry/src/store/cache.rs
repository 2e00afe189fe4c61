//! `cache:chains:{chainId}:{version}:{writtenAt}`: a chain as one version has it. A version never changes, and one that a
//! restored database comes to again was written at another time: nothing is ever dropped but by time. A Redis that is
//! down is a miss.

use std::{sync::LazyLock, time::Duration};

use futures::FutureExt;
use ids::ChainId;
use launch::Secret;
use prometheus::{IntCounterVec, register_int_counter_vec};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::model::{Chain, Stamp};

const TTL_SECS: u64 = 60;
const PATIENCE: Duration = Duration::from_millis(200);

static READS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "registry_cache_reads_total",
        "Reads of the chains' cache by their result.",
        &["result"]
    )
    .expect("each metric is registered once")
});

/// The chains' cache.
#[derive(Clone)]
pub(crate) struct Cache {
    redis: ConnectionManager,
}

impl Cache {
    /// Connects when it is first used; a Redis that is away is told by `/ready` and makes nothing fail.
    pub(crate) fn open(url: &Secret, process: &mut launch::Process) -> anyhow::Result<Cache> {
        // The library's message may repeat the URL, and with it the password.
        let client =
            redis::Client::open(url.expose()).map_err(|_| anyhow::anyhow!("redis_url is not a Redis URL"))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        let redis = ConnectionManager::new_lazy_with_config(client, config)?;
        let asked = redis.clone();
        process.ready("redis", move || {
            let mut redis = asked.clone();
            async move {
                let ping = redis::cmd("PING");
                let answer = tokio::time::timeout(PATIENCE, ping.query_async::<String>(&mut redis)).await;
                Ok(serde_json::json!({ "reachable": matches!(answer, Ok(Ok(_))), "required": false }))
            }
            .boxed()
        });
        Ok(Cache { redis })
    }

    /// All of these chains as one version has them, or None when one of them is missing.
    pub(crate) async fn find_all(&self, chains: &[ChainId], stamp: Stamp) -> Option<Vec<Chain>> {
        if chains.is_empty() {
            return Some(Vec::new());
        }
        let keys: Vec<String> = chains.iter().map(|chain| key(*chain, stamp)).collect();
        let mut redis = self.redis.clone();
        let asked =
            async move { redis::cmd("MGET").arg(keys).query_async::<Vec<Option<String>>>(&mut redis).await };
        let found = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => {
                READS.with_label_values(&["error"]).inc();
                return None;
            }
        };
        let parsed =
            found.into_iter().map(|text| serde_json::from_str(&text?).ok()).collect::<Option<Vec<Chain>>>();
        READS.with_label_values(&[if parsed.is_some() { "hit" } else { "miss" }]).inc();
        parsed
    }

    /// Keeps these chains as one version has them; a failure costs the next reader a miss.
    pub(crate) async fn put_all(&self, chains: &[Chain], stamp: Stamp) {
        let mut pipe = redis::pipe();
        for chain in chains {
            let Ok(text) = serde_json::to_string(chain) else { continue };
            pipe.set_ex(key(chain.chain_id, stamp), text, TTL_SECS).ignore();
        }
        let mut redis = self.redis.clone();
        let put = async move { pipe.query_async::<()>(&mut redis).await };
        if !matches!(tokio::time::timeout(PATIENCE, put).await, Ok(Ok(()))) {
            tracing::debug!("chains not cached");
        }
    }
}

fn key(chain_id: ChainId, stamp: Stamp) -> String {
    let Stamp { version, written_at } = stamp;
    format!("cache:chains:{chain_id}:{version}:{written_at}")
}
