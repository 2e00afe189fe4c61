//! `intent:status:{intentId}`: the intent as its last change left it, for six hours. The truth is in the database;
//! losing all of this changes nothing.

use std::{sync::LazyLock, time::Duration};

use futures::FutureExt;
use launch::Secret;
use redis::{
    Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::{fact::fact, model::Intent};

const TTL_SECS: u64 = 6 * 3600;
const PATIENCE: Duration = Duration::from_millis(200);

/// Writes that overtake each other must not leave the older one.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
         if now < tonumber(ARGV[1]) then
             redis.call('HSET', KEYS[1], 'revision', ARGV[1], 'intent', ARGV[2])
             redis.call('EXPIRE', KEYS[1], ARGV[3])
         end",
    )
});

/// The mirror.
#[derive(Clone)]
pub(crate) struct Statuses {
    redis: ConnectionManager,
}

impl Statuses {
    /// Connects when it is first used; a Redis that is away is told by `/ready` and makes nothing fail.
    pub(crate) fn open(url: &Secret, process: &mut launch::Process) -> anyhow::Result<Statuses> {
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
        Ok(Statuses { redis })
    }

    /// Mirrors a change that is committed; nobody waits for it.
    pub(crate) fn put(&self, intent: &Intent) {
        let Ok(text) = serde_json::to_string(&fact(intent)) else { return };
        let (intent_id, revision) = (intent.intent_id, intent.revision);
        let mut redis = self.redis.clone();
        tokio::spawn(async move {
            let mut put = PUT.key(format!("intent:status:{intent_id}"));
            let put = put.arg(revision).arg(text).arg(TTL_SECS).invoke_async::<()>(&mut redis);
            if !matches!(tokio::time::timeout(PATIENCE, put).await, Ok(Ok(()))) {
                tracing::debug!(intent.id = %intent_id, "could not mirror an intent");
            }
        });
    }
}
