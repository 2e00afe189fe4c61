//! Nonces and revocations, mirrored in Redis for whoever looks there first. PostgreSQL has the truth: nothing here is
//! waited for, and nothing fails where it fails.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::FutureExt;
use redis::{
    Cmd, Pipeline,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::revoke_sessions::Revocation;

const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// `siwe:nonce:{nonce}` and `session:blacklist:{sid}`.
#[derive(Clone)]
pub(crate) struct Mirror {
    redis: ConnectionManager,
}

impl Mirror {
    /// Connects at the first use; a Redis that is away is told by `/ready` and makes nothing fail.
    pub(crate) fn open(url: &launch::Secret, process: &mut launch::Process) -> anyhow::Result<Mirror> {
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
                Ok(serde_json::json!({ "reachable": matches!(answer, Ok(Ok(_))), "required": false }))
            }
            .boxed()
        });
        Ok(Mirror { redis })
    }

    /// A nonce waits for its signature.
    pub(crate) fn nonce_issued(&self, nonce: &str, life: TimeDelta) {
        let mut set = redis::cmd("SET");
        set.arg(format!("siwe:nonce:{nonce}")).arg(1).arg("EX").arg(life.num_seconds());
        self.send(vec![set]);
    }

    /// A nonce is used up.
    pub(crate) fn nonce_burned(&self, nonce: &str) {
        let mut del = redis::cmd("DEL");
        del.arg(format!("siwe:nonce:{nonce}"));
        self.send(vec![del]);
    }

    /// Sessions ended before their tokens did.
    pub(crate) fn sessions_revoked(&self, revocation: &Revocation) {
        let seconds = (revocation.until - Utc::now()).num_seconds().max(1);
        let key = |id: &ids::SessionId| {
            let mut set = redis::cmd("SET");
            set.arg(format!("session:blacklist:{id}")).arg(1).arg("EX").arg(seconds);
            set
        };
        self.send(revocation.session_ids.iter().map(key).collect());
    }

    fn send(&self, commands: Vec<Cmd>) {
        if commands.is_empty() {
            return;
        }
        let mut redis = self.redis.clone();
        tokio::spawn(async move {
            let mut pipeline = Pipeline::new();
            for command in commands {
                pipeline.add_command(command).ignore();
            }
            let sending = pipeline.query_async::<()>(&mut redis);
            if !matches!(tokio::time::timeout(ANSWERS_WITHIN, sending).await, Ok(Ok(()))) {
                tracing::debug!("could not mirror to redis");
            }
        });
    }
}
