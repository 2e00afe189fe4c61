//! The connection to Redis, which mirrors and caches what the database knows; everything works without it.

use std::time::Duration;

use futures::FutureExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

/// Whoever waits for Redis gives up after this and goes on without.
pub(super) const PATIENCE: Duration = Duration::from_millis(300);

/// Connects at the first use; a Redis that is away is told by `/ready` and makes nothing fail.
pub(crate) fn connect(
    url: &launch::Secret,
    process: &mut launch::Process,
) -> anyhow::Result<ConnectionManager> {
    let redis = lazily(url)?;
    let asked = redis.clone();
    process.ready("redis", move || {
        let mut redis = asked.clone();
        async move {
            let ping = redis::cmd("PING");
            let answer = tokio::time::timeout(PATIENCE, ping.query_async::<String>(&mut redis)).await;
            let is_up = matches!(answer, Ok(Ok(_)));
            Ok(serde_json::json!({ "reachable": is_up, "required": false }))
        }
        .boxed()
    });
    Ok(redis)
}

pub(super) fn lazily(url: &launch::Secret) -> anyhow::Result<ConnectionManager> {
    // The library's message may quote the URL, and with it the password.
    let client =
        redis::Client::open(url.expose()).map_err(|_| anyhow::anyhow!("redis_url is not a Redis URL"))?;
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
        .set_number_of_retries(1);
    Ok(client.get_connection_manager_lazy(config)?)
}
