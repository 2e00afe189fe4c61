//! The delivery log as this replica sees it: one stream from subs-worker, shared by every subscription.
//!
//! A subscription that begins at a cursor first reads what it missed by a stream of its own and then joins the shared
//! one; the places where the two meet are compared, so that nothing is missed and nothing is seen twice.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use async_graphql::Error;
use events::{
    Envelope, Fact as _,
    auth::{LoggedIn, SessionRevoked},
    collections::CollectionUpserted,
    intents::IntentUpserted,
    mints::{TokenUpserted, TokensUpserted},
    wallets::{WalletLinked, WalletUnlinked},
};
use proto::subscription::v1::{WatchRequest, WatchResponse};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::{
    cursor::Seal,
    error::{CURSOR_EXPIRED, coded, failed},
    peers::Peers,
};

/// Deliveries that a subscription may lag behind before it is told to resume after its last cursor.
const BACKLOG: usize = 8192;
const CURSOR: &str = "delivery";

/// One delivery, parsed once for all subscriptions.
#[derive(Debug)]
pub(crate) struct Event {
    /// `{epoch}:{id}`.
    pub(crate) position: String,
    pub(crate) fact: Fact,
}

/// What subscriptions know how to show.
#[derive(Debug)]
pub(crate) enum Fact {
    Collection(Box<CollectionUpserted>),
    Token(Box<TokenUpserted>),
    Tokens(Box<TokensUpserted>),
    Intent(Box<IntentUpserted>),
    LoggedIn(LoggedIn),
    WalletLinked(WalletLinked),
    WalletUnlinked(WalletUnlinked),
    SessionRevoked(SessionRevoked),
    /// Something newer than this build: passed over.
    Unknown,
}

/// The stream broke in a way that positions do not survive: state has to be loaded anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// The shared stream; clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Live {
    sender: broadcast::Sender<Option<Arc<Event>>>,
    /// The position of the last delivery that was shared.
    latest: Arc<RwLock<Option<String>>>,
    peers: Peers,
    seal: Seal,
}

impl Live {
    pub(crate) fn new(peers: Peers, seal: Seal) -> Live {
        let (sender, _) = broadcast::channel(BACKLOG);
        Live { sender, latest: Arc::default(), peers, seal }
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// What happens from now on.
    pub(crate) fn subscribe(&self) -> Events {
        Events { missed: None, skip_until: None, shared: self.sender.subscribe() }
    }

    /// What happened after a cursor, and what happens from then on.
    pub(crate) async fn subscribe_after(&self, cursor: Option<String>) -> Result<Events, Error> {
        let Some(cursor) = cursor else { return Ok(self.subscribe()) };
        let after = self.seal.open(CURSOR, &cursor)?;
        // Joined before the missed ones are read: whatever comes meanwhile waits in the channel.
        let mut events = self.subscribe();
        let mut missed = watch(&self.peers, after.clone()).await.map_err(|status| failed(&status))?;
        // The stream opens with its position; only then is it known to be inside the window.
        missed.message().await.map_err(|status| failed(&status))?;
        let meet_at = self.latest.read().ok().and_then(|latest| latest.clone());
        // Without a stream of its own this replica knows no place to meet.
        let meet_at =
            meet_at.ok_or_else(|| failed(&Status::unavailable("the delivery log is not followed yet")))?;
        events.skip_until = Some(after.clone());
        if is_after(&meet_at, &after) {
            events.missed = Some(Missed { stream: missed, meet_at });
        }
        Ok(events)
    }

    pub(crate) fn cursor(&self, event: &Event) -> String {
        self.seal.seal(CURSOR, &event.position)
    }

    fn share(&self, event: Event) {
        if let Ok(mut latest) = self.latest.write() {
            *latest = Some(event.position.clone());
        }
        // Nobody listening is fine.
        let _ = self.sender.send(Some(Arc::new(event)));
    }
}

/// A subscription's own view of the stream.
pub(crate) struct Events {
    missed: Option<Missed>,
    /// The last position that was handed out while catching up; the shared stream is joined behind it.
    skip_until: Option<String>,
    shared: broadcast::Receiver<Option<Arc<Event>>>,
}

struct Missed {
    stream: Streaming<WatchResponse>,
    meet_at: String,
}

impl Events {
    /// The next event; [`Lost`] when this subscription cannot go on without a gap.
    pub(crate) async fn next(&mut self) -> Result<Arc<Event>, Lost> {
        if let Some(event) = self.next_missed().await? {
            return Ok(event);
        }
        loop {
            match self.shared.recv().await {
                Ok(Some(event)) => {
                    let is_seen =
                        self.skip_until.as_ref().is_some_and(|seen| !is_after(&event.position, seen));
                    if !is_seen {
                        self.skip_until = None;
                        return Ok(event);
                    }
                }
                Ok(None)
                | Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                    return Err(Lost);
                }
            }
        }
    }

    async fn next_missed(&mut self) -> Result<Option<Arc<Event>>, Lost> {
        let Some(missed) = &mut self.missed else { return Ok(None) };
        let answer = missed.stream.message().await.map_err(|_| Lost)?.ok_or(Lost)?;
        let event = parse(answer);
        self.skip_until = Some(event.position.clone());
        let is_met = !is_after(&missed.meet_at, &event.position);
        if is_met {
            self.missed = None;
        }
        Ok(Some(Arc::new(event)))
    }
}

/// The error that ends a subscription which has lost its place.
pub(crate) fn lost() -> Error {
    coded(
        CURSOR_EXPIRED,
        "events were lost on the way: resume after your last cursor, or load the state anew",
    )
}

/// Follows subs-worker until the process stops; a break is bridged from the last position.
pub(crate) async fn follow(live: Live, stopping: CancellationToken) -> anyhow::Result<()> {
    let mut wait = Duration::from_millis(100);
    loop {
        let after = live.latest.read().ok().and_then(|latest| latest.clone()).unwrap_or_default();
        let ended = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            ended = follow_once(&live, after, &mut wait) => ended,
        };
        if let Err(status) = ended {
            if rpc::Problem::from(&status).reason == CURSOR_EXPIRED {
                tracing::warn!("the delivery log was lost, every subscription has to load anew");
                if let Ok(mut latest) = live.latest.write() {
                    *latest = None;
                }
                let _ = live.sender.send(None);
            } else {
                tracing::warn!(error = %status, "delivery stream broke, coming back");
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(Duration::from_secs(2)),
        }
    }
}

async fn follow_once(live: &Live, after: String, wait: &mut Duration) -> Result<(), Status> {
    let begins_anew = after.is_empty();
    let mut stream = watch(&live.peers, after).await?;
    while let Some(answer) = stream.message().await? {
        *wait = Duration::from_millis(100);
        if answer.envelope_json.is_empty() {
            if let Ok(mut latest) = live.latest.write() {
                *latest = Some(answer.delivery_id);
            }
            // Nobody knows what happened before this position: what was loaded before it has to be loaded again.
            if begins_anew {
                let _ = live.sender.send(None);
            }
            continue;
        }
        live.share(parse(answer));
    }
    Ok(())
}

async fn watch(peers: &Peers, after: String) -> Result<Streaming<WatchResponse>, Status> {
    Ok(peers.subscriptions.clone().watch(WatchRequest { after }).await?.into_inner())
}

fn parse(answer: WatchResponse) -> Event {
    let fact = match serde_json::from_str::<Envelope>(&answer.envelope_json) {
        Ok(envelope) => fact(&envelope),
        Err(err) => {
            tracing::error!(error = %err, event.id = %answer.event_id, "delivery is not an envelope");
            Fact::Unknown
        }
    };
    Event { position: answer.delivery_id, fact }
}

fn fact(envelope: &Envelope) -> Fact {
    let opened = match envelope.kind.as_str() {
        CollectionUpserted::TYPE => envelope.open().map(|fact| Fact::Collection(Box::new(fact))),
        TokenUpserted::TYPE => envelope.open().map(|fact| Fact::Token(Box::new(fact))),
        TokensUpserted::TYPE => envelope.open().map(|fact| Fact::Tokens(Box::new(fact))),
        IntentUpserted::TYPE => envelope.open().map(|fact| Fact::Intent(Box::new(fact))),
        LoggedIn::TYPE => envelope.open().map(Fact::LoggedIn),
        WalletLinked::TYPE => envelope.open().map(Fact::WalletLinked),
        WalletUnlinked::TYPE => envelope.open().map(Fact::WalletUnlinked),
        SessionRevoked::TYPE => envelope.open().map(Fact::SessionRevoked),
        _ => Ok(Fact::Unknown),
    };
    opened.unwrap_or_else(|err| {
        tracing::error!(error = %err, event.id = %envelope.id, "delivery does not fit its type");
        Fact::Unknown
    })
}

/// Whether `position` lies behind `than` in the log. Positions of another epoch lie behind every old one.
fn is_after(position: &str, than: &str) -> bool {
    let (Some((epoch, id)), Some((old_epoch, old_id))) = (position.split_once(':'), than.split_once(':'))
    else {
        return true;
    };
    epoch != old_epoch || entry(id) > entry(old_id)
}

fn entry(id: &str) -> (u64, u64) {
    let (millis, sequence) = id.split_once('-').unwrap_or((id, "0"));
    (millis.parse().unwrap_or(0), sequence.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_compared_as_numbers() {
        assert!(is_after("e:10-0", "e:9-5"));
        assert!(is_after("e:9-10", "e:9-9"));
        assert!(!is_after("e:9-9", "e:9-9"));
        assert!(!is_after("e:9-9", "e:10-0"));
    }

    #[test]
    fn another_epoch_lies_behind_every_old_position() {
        assert!(is_after("f:1-0", "e:9-9"));
    }
}
