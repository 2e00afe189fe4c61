//! Sessions that ended before their tokens did: known by event, and loaded whole at the start and after a gap.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use ids::SessionId;
use proto::auth::v1::ListRevocationsRequest;
use tokio_util::sync::CancellationToken;

use crate::{
    live::{Fact, Live, Lost},
    peers::Peers,
};

/// An access token lives 15 minutes; a revocation loaded from auth is kept a little longer than that.
const KEPT: TimeDelta = TimeDelta::minutes(20);

/// The sessions whose tokens are refused, each with the time after which no token of it can be alive.
#[derive(Default)]
pub(crate) struct Revoked {
    until: RwLock<HashMap<SessionId, DateTime<Utc>>>,
}

impl Revoked {
    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.until.read().is_ok_and(|until| until.contains_key(&session))
    }

    fn add(&self, sessions: impl IntoIterator<Item = SessionId>, until: DateTime<Utc>) {
        let now = Utc::now();
        if let Ok(mut known) = self.until.write() {
            known.retain(|_, until| *until > now);
            known.extend(sessions.into_iter().map(|session| (session, until)));
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
    loop {
        // Subscribed before the set is loaded: what is revoked in between arrives by event.
        let mut events = live.subscribe();
        let loaded = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            loaded = load(&revoked, &peers) => loaded,
        };
        if let Err(status) = loaded {
            tracing::warn!(error = %status, "revocations could not be loaded, trying again");
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(Duration::from_secs(1)) => continue,
            }
        }
        loop {
            let event = tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                event = events.next() => event,
            };
            match event {
                Ok(event) => {
                    if let Fact::SessionRevoked(fact) = &event.fact {
                        revoked.add(fact.session_ids.iter().copied(), fact.until + TimeDelta::minutes(1));
                    }
                }
                Err(Lost) => break,
            }
        }
    }
}

async fn load(revoked: &Revoked, peers: &Peers) -> Result<(), tonic::Status> {
    let answer = peers.auth.clone().list_revocations(ListRevocationsRequest {}).await?.into_inner();
    let sessions: Vec<SessionId> = answer.session_ids.iter().filter_map(|id| id.parse().ok()).collect();
    revoked.add(sessions, Utc::now() + KEPT);
    Ok(())
}
