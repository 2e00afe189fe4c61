//! The public keys that access tokens are signed with, fetched from auth and kept.
//!
//! Fetched each minute, so that a retired key goes and a new one is known before it signs; and at once for a key that
//! nobody knows, once in a while. While auth is away the last keys stay: nobody is signed out by that. They go after an
//! hour, when every token that auth signed before it went away is dead anyway.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet},
};
use proto::auth::v1::GetJwksRequest;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{peers::Peers, token};

/// An unknown key id is asked for once in this long, however many tokens name one.
const REFETCH: Duration = Duration::from_secs(30);
/// Auth that did not answer is left alone for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How often the keys are asked for again, so that retired ones go.
const ROUND: Duration = Duration::from_secs(60);
/// Keys that auth has not confirmed for this long are no longer believed.
const KEPT: Duration = Duration::from_secs(3600);

/// Where the set comes from.
type Source = Box<dyn Fn() -> BoxFuture<'static, Result<String, Status>> + Send + Sync>;

/// The keys as last heard.
pub(crate) struct Keys {
    source: Source,
    known: ArcSwap<Known>,
    fetch: Mutex<Fetch>,
}

/// The last fetch for an unknown key.
#[derive(Default)]
struct Fetch {
    /// When the next one may begin.
    next: Option<Instant>,
    was_answered: bool,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Auth has none of that id.
    Unknown,
    /// Auth could not be asked: it may well have one.
    Unasked,
}

#[derive(Default)]
struct Known {
    json: String,
    by_id: HashMap<String, Arc<DecodingKey>>,
    fetched: Option<Instant>,
}

impl Known {
    fn find(&self, key_id: &str, now: Instant) -> Option<Arc<DecodingKey>> {
        self.by_id.get(key_id).filter(|_| self.is_fresh(now)).cloned()
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.fetched.is_some_and(|at| now.saturating_duration_since(at) < KEPT)
    }
}

impl Keys {
    /// The keys of auth.
    pub(crate) fn of(peers: Peers) -> Keys {
        Keys::new(Box::new(move || {
            let mut auth = peers.auth.clone();
            Box::pin(async move { Ok(auth.get_jwks(GetJwksRequest {}).await?.into_inner().jwks_json) })
        }))
    }

    fn new(source: Source) -> Keys {
        Keys { source, known: ArcSwap::default(), fetch: Mutex::default() }
    }

    /// The key of that id, if auth stands by it.
    pub(crate) async fn find(&self, key_id: &str) -> Result<Arc<DecodingKey>, Missing> {
        self.find_at(key_id, Instant::now()).await
    }

    async fn find_at(&self, key_id: &str, now: Instant) -> Result<Arc<DecodingKey>, Missing> {
        if let Some(key) = self.known.load().find(key_id, now) {
            return Ok(key);
        }
        let was_answered = self.fetch_for_unknown(now, |known| known.find(key_id, now).is_some()).await;
        let missing = if was_answered { Missing::Unknown } else { Missing::Unasked };
        self.known.load().find(key_id, now).ok_or(missing)
    }

    /// Whether there are keys to check tokens by.
    pub(crate) fn are_known(&self) -> bool {
        self.known.load().is_fresh(Instant::now())
    }

    /// The set as auth publishes it.
    pub(crate) async fn json(&self) -> Option<String> {
        let now = Instant::now();
        if !self.known.load().is_fresh(now) {
            self.fetch_for_unknown(now, |known| known.is_fresh(now)).await;
        }
        let known = self.known.load();
        known.is_fresh(now).then(|| known.json.clone())
    }

    /// One fetch at a time, and one in a while; those who waited for it look at what it brought. Tells whether auth had
    /// its say.
    async fn fetch_for_unknown(&self, now: Instant, is_settled: impl Fn(&Known) -> bool) -> bool {
        let mut last = self.fetch.lock().await;
        if last.next.is_some_and(|at| now < at) || is_settled(&self.known.load()) {
            return last.was_answered;
        }
        // The very first fetch was for all keys, not for this one.
        let was_fresh = self.known.load().is_fresh(now);
        last.was_answered = self.fetch(now).await;
        last.next = match last.was_answered {
            true => was_fresh.then_some(now + REFETCH),
            false => Some(now + AFTER_FAILURE),
        };
        last.was_answered
    }

    async fn fetch(&self, now: Instant) -> bool {
        let fetched = async { read(&(self.source)().await?) }.await;
        match fetched {
            Ok((json, by_id)) => {
                self.known.store(Arc::new(Known { json, by_id, fetched: Some(now) }));
                true
            }
            Err(err) => {
                tracing::warn!(error = %format!("{err:#}"), "public keys could not be fetched");
                false
            }
        }
    }
}

/// Keeps the keys fresh until the process stops.
pub(crate) async fn follow(keys: Arc<Keys>, stopping: CancellationToken) -> anyhow::Result<()> {
    loop {
        let wait = if keys.fetch(Instant::now()).await { ROUND } else { AFTER_FAILURE };
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Only RSA keys, each under a name that a token could have. One that does not fit is passed over; a set without any
/// is not auth's.
fn read(json: &str) -> anyhow::Result<(String, HashMap<String, Arc<DecodingKey>>)> {
    let set: JwkSet = serde_json::from_str(json)?;
    let mut by_id = HashMap::new();
    for jwk in &set.keys {
        let is_rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_));
        let Some(id) = jwk.common.key_id.as_ref().filter(|id| is_rsa && token::is_key_id(id)) else {
            continue;
        };
        by_id.insert(id.clone(), Arc::new(DecodingKey::from_jwk(jwk)?));
    }
    if by_id.is_empty() {
        bail!("the set holds no key");
    }
    Ok((json.to_owned(), by_id))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
