//! `user:profile:{userId}`: a user as the last change left them, for five minutes. The truth is in the database: a Redis
//! that is away is a miss.

use std::{sync::LazyLock, time::Duration};

use futures::FutureExt;
use ids::UserId;
use launch::Secret;
use prometheus::{IntCounterVec, register_int_counter_vec};
use redis::{
    Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::model::User;

const TTL_SECS: u64 = 5 * 60;
const PATIENCE: Duration = Duration::from_millis(200);

static HITS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("cache_hits_total", "What was found in a cache.", &["cache"])
        .expect("each metric is registered once")
});
static MISSES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("cache_misses_total", "What a cache did not have.", &["cache"])
        .expect("each metric is registered once")
});
static ERRORS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "cache_errors_total",
        "Reads and writes that a cache did not answer.",
        &["cache"]
    )
    .expect("each metric is registered once")
});

/// A reader that looked before a change must not put what it saw over what the change left.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = tonumber(redis.call('HGET', KEYS[1], 'stamp') or '0')
         if now <= tonumber(ARGV[1]) then
             redis.call('HSET', KEYS[1], 'stamp', ARGV[1], 'user', ARGV[2])
             redis.call('EXPIRE', KEYS[1], ARGV[3])
         end",
    )
});

/// The users' cache.
#[derive(Clone)]
pub(crate) struct Cache {
    redis: ConnectionManager,
}

impl Cache {
    /// Connects when it is first used.
    pub(crate) fn open(url: &Secret) -> anyhow::Result<Cache> {
        // The library's message may repeat the URL, and with it the password.
        let client =
            redis::Client::open(url.expose()).map_err(|_| anyhow::anyhow!("redis_url is not a Redis URL"))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        Ok(Cache { redis: ConnectionManager::new_lazy_with_config(client, config)? })
    }

    /// A Redis that is away is told by `/ready` and makes nothing fail.
    pub(crate) fn watch(&self, process: &mut launch::Process) {
        let asked = self.redis.clone();
        process.ready("redis", move || {
            let mut redis = asked.clone();
            async move {
                let ping = redis::cmd("PING");
                let answer = tokio::time::timeout(PATIENCE, ping.query_async::<String>(&mut redis)).await;
                Ok(serde_json::json!({ "reachable": matches!(answer, Ok(Ok(_))), "required": false }))
            }
            .boxed()
        });
    }

    /// Each of these users, where the cache has them.
    pub(crate) async fn find_all(&self, ids: &[UserId]) -> Vec<Option<User>> {
        if ids.is_empty() {
            return Vec::new();
        }
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGET").arg(key(*id)).arg("user");
        }
        let mut redis = self.redis.clone();
        let asked = async move { pipe.query_async::<Vec<Option<String>>>(&mut redis).await };
        let Ok(Ok(found)) = tokio::time::timeout(PATIENCE, asked).await else {
            ERRORS.with_label_values(&["profile"]).inc();
            return vec![None; ids.len()];
        };
        let users: Vec<Option<User>> =
            found.into_iter().map(|text| serde_json::from_str(&text?).ok()).collect();
        let hits = users.iter().flatten().count();
        HITS.with_label_values(&["profile"]).inc_by(hits as u64);
        MISSES.with_label_values(&["profile"]).inc_by((users.len() - hits) as u64);
        users
    }

    /// Keeps these users, unless it has newer pictures of them.
    pub(crate) async fn put_all(&self, users: &[User]) {
        if users.is_empty() {
            return;
        }
        let mut redis = self.redis.clone();
        let put = async {
            for user in users {
                let Ok(text) = serde_json::to_string(user) else { continue };
                let mut put = PUT.key(key(user.user_id));
                put.arg(user.stamp()).arg(text).arg(TTL_SECS).invoke_async::<()>(&mut redis).await?;
            }
            Ok::<(), redis::RedisError>(())
        };
        if !matches!(tokio::time::timeout(PATIENCE, put).await, Ok(Ok(()))) {
            ERRORS.with_label_values(&["profile"]).inc();
        }
    }
}

fn key(user_id: UserId) -> String {
    format!("user:profile:{user_id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MIGRATOR, ensure_user::ensure_user, model::Account};

    #[tokio::test]
    async fn an_older_picture_never_takes_the_place_of_a_newer_one() {
        let db = testkit::database(&MIGRATOR).await;
        let account = "eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        let (older, _) = ensure_user(&db.pool, &Account::eoa(&account)).await.unwrap();
        let newer = User { revision: older.revision + 1, status: "suspended".to_owned(), ..older.clone() };
        let cache = Cache::open(&testkit::redis().await.as_str().into()).unwrap();
        assert_eq!(cache.find_all(&[older.user_id]).await, [None]);
        for (put, expected) in [(&older, &older), (&newer, &newer), (&older, &newer)] {
            cache.put_all(std::slice::from_ref(put)).await;
            assert_eq!(cache.find_all(&[older.user_id]).await, [Some(expected.clone())]);
        }
    }
}
