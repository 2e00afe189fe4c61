//! The public keys that access tokens are signed with, fetched from auth and kept.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use jsonwebtoken::{DecodingKey, jwk::JwkSet};
use proto::auth::v1::GetJwksRequest;
use tokio::sync::Mutex;

use crate::peers::Peers;

/// An unknown key id is asked for once in this long, however many tokens name it.
const REFETCH: Duration = Duration::from_secs(30);
/// Auth that did not answer is left alone for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Known keys are asked for again after this long, so that retired ones go.
const STALE: Duration = Duration::from_secs(300);

/// The keys as last heard.
pub(crate) struct Keys {
    peers: Peers,
    known: ArcSwap<Known>,
    /// When the next fetch may begin.
    fetching: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    json: String,
    by_id: HashMap<String, Arc<DecodingKey>>,
    fetched: Option<Instant>,
}

impl Keys {
    pub(crate) fn new(peers: Peers) -> Keys {
        Keys { peers, known: ArcSwap::default(), fetching: Mutex::new(None) }
    }

    /// The key of that id, if auth still stands by it.
    pub(crate) async fn find(&self, key_id: &str) -> Option<Arc<DecodingKey>> {
        let known = self.known.load();
        let is_stale = known.fetched.is_none_or(|at| at.elapsed() > STALE);
        if let (Some(key), false) = (known.by_id.get(key_id), is_stale) {
            return Some(key.clone());
        }
        self.refetch().await;
        self.known.load().by_id.get(key_id).cloned()
    }

    /// The set as auth publishes it.
    pub(crate) async fn json(&self) -> Option<String> {
        if self.known.load().fetched.is_none_or(|at| at.elapsed() > STALE) {
            self.refetch().await;
        }
        let known = self.known.load();
        (!known.json.is_empty()).then(|| known.json.clone())
    }

    async fn refetch(&self) {
        // One fetch at a time; those who waited for it do not fetch again.
        let mut next = self.fetching.lock().await;
        if next.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let wait = match self.fetch().await {
            Ok(known) => {
                self.known.store(Arc::new(known));
                REFETCH
            }
            // The old keys stay: auth being away must not sign everybody out.
            Err(err) => {
                tracing::warn!(error = %format!("{err:#}"), "public keys could not be fetched");
                AFTER_FAILURE
            }
        };
        *next = Some(Instant::now() + wait);
    }

    async fn fetch(&self) -> anyhow::Result<Known> {
        let json = self.peers.auth.clone().get_jwks(GetJwksRequest {}).await?.into_inner().jwks_json;
        let set: JwkSet = serde_json::from_str(&json)?;
        let mut by_id = HashMap::new();
        for jwk in &set.keys {
            if let Some(id) = &jwk.common.key_id {
                by_id.insert(id.clone(), Arc::new(DecodingKey::from_jwk(jwk)?));
            }
        }
        Ok(Known { json, by_id, fetched: Some(Instant::now()) })
    }
}
