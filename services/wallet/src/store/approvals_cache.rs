//! `wallet:approvals:cache:{chainId}:{owner}`: the first page of an owner's approvals, for a minute. A hash of the page
//! and of a version that every change replaces, so that whoever read the database before a change cannot put what they
//! read after it. A Redis that is away is a miss.

use std::sync::LazyLock;

use ids::ChainId;
use prometheus::{IntCounterVec, register_int_counter_vec};
use redis::{Script, aio::ConnectionManager};
use uuid::Uuid;

use super::nearby::PATIENCE;
use crate::model::Approval;

const CACHE: &str = "wallet_approvals";
/// Longer than any call may take: a reader that saw no version is gone before the version of a change is.
const TTL_SECS: u64 = 60;
/// How many owners one pipeline drops.
const AT_ONCE: usize = 200;

static HITS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("cache_hits_total", "Reads that a cache answered.", &["cache"])
        .expect("each metric is registered once")
});
static MISSES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("cache_misses_total", "Reads that a cache could not answer.", &["cache"])
        .expect("each metric is registered once")
});
static ERRORS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("cache_errors_total", "Reads and drops for which a cache was away.", &["cache"])
        .expect("each metric is registered once")
});

/// The page is put only where the version is still the one that was seen before the database was read.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if (redis.call('HGET', KEYS[1], 'version') or '') == ARGV[1] then
             redis.call('HSET', KEYS[1], 'page', ARGV[2])
             redis.call('EXPIRE', KEYS[1], ARGV[3])
         end",
    )
});

/// What the cache knows.
#[derive(Debug)]
pub(crate) enum Found {
    /// The first page.
    Page(Vec<Approval>),
    /// Nothing; a page may be put with this.
    Nothing(Version),
    /// Redis did not answer.
    Away,
}

/// Which change a reader has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(String);

/// The cache.
#[derive(Clone)]
pub(crate) struct ApprovalsCache {
    redis: ConnectionManager,
}

impl ApprovalsCache {
    pub(crate) fn over(redis: ConnectionManager) -> ApprovalsCache {
        ApprovalsCache { redis }
    }

    /// What is cached of an owner. Counts.
    pub(crate) async fn find(&self, chain_id: ChainId, owner: &str) -> Found {
        let found = self.look(chain_id, owner).await;
        let count = |counter: &LazyLock<IntCounterVec>| counter.with_label_values(&[CACHE]).inc();
        match found {
            Found::Page(_) => count(&HITS),
            Found::Nothing(_) => count(&MISSES),
            Found::Away => {
                count(&MISSES);
                count(&ERRORS);
            }
        }
        found
    }

    /// The same without counting: for whoever waited for another's read.
    pub(crate) async fn look(&self, chain_id: ChainId, owner: &str) -> Found {
        let mut redis = self.redis.clone();
        let mut get = redis::cmd("HMGET");
        get.arg(key(chain_id, owner)).arg("version").arg("page");
        let asked = get.query_async::<(Option<String>, Option<String>)>(&mut redis);
        let Ok(Ok((version, page))) = tokio::time::timeout(PATIENCE, asked).await else { return Found::Away };
        match page.and_then(|text| serde_json::from_str(&text).ok()) {
            Some(rows) => Found::Page(rows),
            None => Found::Nothing(Version(version.unwrap_or_default())),
        }
    }

    /// Keeps a page that was read after this version was seen, unless there was a change since.
    pub(crate) async fn put(&self, chain_id: ChainId, owner: &str, seen: &Version, page: &[Approval]) {
        let Ok(text) = serde_json::to_string(page) else { return };
        let mut redis = self.redis.clone();
        let mut put = PUT.key(key(chain_id, owner));
        let putting = put.arg(&seen.0).arg(text).arg(TTL_SECS).invoke_async::<()>(&mut redis);
        if !matches!(tokio::time::timeout(PATIENCE, putting).await, Ok(Ok(()))) {
            tracing::debug!("approvals not cached");
        }
    }

    /// Forgets owners whose approvals changed; to be called after the commit. Where Redis is away, a page that it still
    /// has lives on for a minute at most.
    pub(crate) async fn drop_all(&self, chain_id: ChainId, owners: &[String]) {
        for owners in owners.chunks(AT_ONCE) {
            let mut pipe = redis::pipe();
            for owner in owners {
                let key = key(chain_id, owner);
                // A version is never the same twice: a counter that ran out and began anew would be.
                pipe.hset(&key, "version", Uuid::now_v7().to_string()).ignore();
                pipe.hdel(&key, "page").ignore();
                pipe.expire(&key, i64::try_from(TTL_SECS).unwrap_or(i64::MAX)).ignore();
            }
            let mut redis = self.redis.clone();
            let dropping = pipe.query_async::<()>(&mut redis);
            if !matches!(tokio::time::timeout(PATIENCE, dropping).await, Ok(Ok(()))) {
                ERRORS.with_label_values(&[CACHE]).inc();
                tracing::warn!(chain.id = %chain_id, "could not drop cached approvals");
            }
        }
    }
}

fn key(chain_id: ChainId, owner: &str) -> String {
    format!("wallet:approvals:cache:{chain_id}:{owner}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "0x0101010101010101010101010101010101010101";

    async fn cache(url: String) -> ApprovalsCache {
        ApprovalsCache::over(super::super::nearby::lazily(&url.as_str().into()).unwrap())
    }

    #[tokio::test]
    async fn who_read_before_a_change_cannot_put_after_it() {
        let cache = cache(testkit::redis().await).await;
        let chain_id = "eip155:1".parse().unwrap();
        // Twice: where there was no version, and where there was one.
        for _ in 0..2 {
            let Found::Nothing(slow) = cache.find(chain_id, OWNER).await else { panic!("nothing was put") };
            cache.drop_all(chain_id, &[OWNER.to_owned()]).await;
            cache.put(chain_id, OWNER, &slow, &[]).await;
            assert!(matches!(cache.find(chain_id, OWNER).await, Found::Nothing(_)));
        }
        let Found::Nothing(seen) = cache.find(chain_id, OWNER).await else { panic!("nothing was put") };
        cache.put(chain_id, OWNER, &seen, &[]).await;
        assert!(matches!(cache.find(chain_id, OWNER).await, Found::Page(rows) if rows.is_empty()));
        let other = "eip155:2".parse().unwrap();
        assert!(matches!(cache.find(other, OWNER).await, Found::Nothing(_)));
        cache.drop_all(chain_id, &[OWNER.to_owned()]).await;
        assert!(matches!(cache.find(chain_id, OWNER).await, Found::Nothing(_)));
    }

    #[tokio::test]
    async fn what_is_cached_ends_by_itself() {
        let url = testkit::redis().await;
        let cache = cache(url.clone()).await;
        let chain_id = "eip155:1".parse().unwrap();
        let mut redis = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let mut left = async || {
            let mut ttl = redis::cmd("TTL");
            ttl.arg(key(chain_id, OWNER)).query_async::<i64>(&mut redis).await.unwrap()
        };
        let Found::Nothing(seen) = cache.find(chain_id, OWNER).await else { panic!("nothing was put") };
        cache.put(chain_id, OWNER, &seen, &[]).await;
        assert!((1..=60).contains(&left().await));
        cache.drop_all(chain_id, &[OWNER.to_owned()]).await;
        assert!((1..=60).contains(&left().await));
    }

    #[tokio::test]
    async fn a_redis_that_is_away_is_a_miss() {
        let cache = cache("redis://127.0.0.1:1".to_owned()).await;
        let chain_id = "eip155:1".parse().unwrap();
        assert!(matches!(cache.find(chain_id, OWNER).await, Found::Away));
        cache.put(chain_id, OWNER, &Version(String::new()), &[]).await;
        cache.drop_all(chain_id, &[OWNER.to_owned()]).await;
    }
}
