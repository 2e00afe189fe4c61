//! Sessions that ended before their tokens did: known by event, and loaded whole at the start and after a gap.

use std::{
    collections::HashMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use ids::SessionId;
use proto::auth::v1::ListRevocationsRequest;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    live::{Fact, Live, Lost},
    peers::Peers,
};

/// An access token lives 15 minutes; a revocation loaded from auth is kept a little longer than that.
const KEPT: TimeDelta = TimeDelta::minutes(20);
/// How often the whole set is loaded, whatever the stream says: what it loses is lost for this long at most.
const ROUND: Duration = Duration::from_secs(30);
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The sessions whose tokens are refused, each with the time after which no token of it can be alive.
#[derive(Default)]
pub(crate) struct Revoked {
    until: RwLock<HashMap<SessionId, DateTime<Utc>>>,
    is_loaded: AtomicBool,
}

impl Revoked {
    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.until.read().is_ok_and(|until| until.contains_key(&session))
    }

    /// Whether auth has told the whole set once: events alone tell nothing of what was before.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }

    /// A session that was ended here.
    pub(crate) fn note(&self, session: SessionId) {
        self.add([session], Utc::now() + KEPT);
    }

    fn add(&self, sessions: impl IntoIterator<Item = SessionId>, until: DateTime<Utc>) {
        let now = Utc::now();
        if let Ok(mut known) = self.until.write() {
            known.retain(|_, until| *until > now);
            for session in sessions {
                let kept = known.entry(session).or_insert(until);
                *kept = (*kept).max(until);
            }
        }
    }
}

/// Keeps the set until the process stops.
pub(crate) async fn follow(
    revoked: Arc<Revoked>,
    peers: Peers,
    live: Live,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    // Subscribed before the set is loaded: what is revoked in between arrives by event.
    let mut events = live.subscribe();
    let mut load_at = Instant::now();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(load_at) => load_at = Instant::now() + load(&revoked, &peers).await,
            event = events.next() => match event {
                Ok(event) => {
                    if let Fact::SessionRevoked(fact) = &event.fact {
                        revoked.add(fact.session_ids.iter().copied(), fact.until + TimeDelta::minutes(1));
                    }
                }
                Err(Lost) => {
                    events = live.subscribe();
                    load_at = Instant::now();
                }
            }
        }
    }
}

/// Loads the whole set, and tells when to do so again.
async fn load(revoked: &Revoked, peers: &Peers) -> Duration {
    match peers.auth.clone().list_revocations(ListRevocationsRequest {}).await {
        Ok(answer) => {
            let ids = answer.into_inner().session_ids;
            revoked.add(ids.iter().filter_map(|id| id.parse().ok()), Utc::now() + KEPT);
            revoked.is_loaded.store(true, Ordering::Release);
            ROUND
        }
        Err(status) => {
            tracing::warn!(error = %status, "revocations could not be loaded, trying again");
            AFTER_FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_never_shortened_and_goes_when_its_tokens_are_dead() {
        let (revoked, session, now) = (Revoked::default(), SessionId::new(), Utc::now());
        revoked.add([session], now + TimeDelta::minutes(20));
        revoked.add([session], now - TimeDelta::minutes(1));
        assert!(revoked.contains(session));
        let other = SessionId::new();
        revoked.add([other], now - TimeDelta::seconds(1));
        revoked.add([], now);
        assert!(!revoked.contains(other));
    }
}
