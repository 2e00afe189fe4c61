//! `rate:auth:{what}:{key}`: what was granted lately, by all auth processes together.

use std::{sync::LazyLock, time::Duration};

use redis::{
    Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

/// Whoever waits for the answer is somebody's sign-in.
const ANSWERS_WITHIN: Duration = Duration::from_millis(100);

/// One script, so that looking and taking are one step; by the clock of Redis, so that nobody else's matters.
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("bucket.lua")));

/// The buckets in Redis.
#[derive(Clone)]
pub(crate) struct Buckets {
    redis: ConnectionManager,
}

impl Buckets {
    /// Connects when it is first used.
    pub(crate) fn open(url: &launch::Secret) -> anyhow::Result<Buckets> {
        // The library's message may repeat the URL, and with it the password.
        let client =
            redis::Client::open(url.expose()).map_err(|_| anyhow::anyhow!("redis_url is not a Redis URL"))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWERS_WITHIN))
            .set_response_timeout(Some(ANSWERS_WITHIN))
            .set_number_of_retries(1);
        Ok(Buckets { redis: client.get_connection_manager_lazy(config)? })
    }

    /// Takes one, or says how long there is none: zero is a yes. `None` while Redis does not answer in time.
    pub(crate) async fn take(&self, key: &str, per_minute: u32) -> Option<Duration> {
        let mut redis = self.redis.clone();
        let mut take = TAKE.key(format!("rate:auth:{key}"));
        let taking = take.arg(per_minute).invoke_async::<u64>(&mut redis);
        let answer = tokio::time::timeout(ANSWERS_WITHIN, taking).await;
        answer.ok()?.ok().map(Duration::from_micros)
    }
}
