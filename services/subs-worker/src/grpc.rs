//! The door in for calls: gateways watch the log.

use std::{pin::Pin, time::Duration};

use chrono::Utc;
use futures::Stream;
use proto::subscription::v1::{
    WatchRequest, WatchResponse,
    subscription_service_server::{SubscriptionService, SubscriptionServiceServer},
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    error::Error,
    model::{Delivery, EntryId, Position},
    store::Log,
    tail::{End, Tail},
};

/// Deliveries read from the log at once, and the most that wait for a slow gateway.
const PAGE: usize = 500;

pub(crate) fn routes(log: Log, tail: Tail, stopping: CancellationToken) -> Routes {
    Routes::new(SubscriptionServiceServer::new(Door { log, tail, stopping }))
}

struct Door {
    log: Log,
    tail: Tail,
    stopping: CancellationToken,
}

#[tonic::async_trait]
impl SubscriptionService for Door {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let start = start(&self.log, &request.into_inner().after).await?;
        let (sender, receiver) = mpsc::channel(PAGE);
        let watcher = Watcher { log: self.log.clone(), end: self.tail.subscribe(), at: start, sender };
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = watcher.run() => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Where the stream begins: at the end of the log, or after a position that the log still holds.
async fn start(log: &Log, after: &str) -> Result<Position, Error> {
    let extent = log.extent().await?;
    if after.is_empty() {
        return Ok(Position { epoch: extent.epoch, entry: extent.last });
    }
    let position: Position = after.parse().map_err(|()| Error::BadPosition)?;
    match extent.holds_all_after(&position) {
        true => Ok(position),
        false => Err(Error::Expired),
    }
}

struct Watcher {
    log: Log,
    end: watch::Receiver<End>,
    at: Position,
    sender: mpsc::Sender<Result<WatchResponse, Status>>,
}

impl Watcher {
    async fn run(mut self) {
        // The first answer tells the position only: a gateway knows from it where a reconnect has to begin.
        if self.send(Ok(position_only(&self.at))).await.is_err() {
            return;
        }
        if let Err(err) = self.follow().await {
            let _ = self.send(Err(err.into())).await;
        }
    }

    async fn follow(&mut self) -> Result<(), Error> {
        loop {
            let end = self.end.borrow_and_update().clone();
            // Before the follower has seen the log its end is empty, which says nothing about the epoch.
            if !end.epoch.is_empty() && end.epoch != self.at.epoch {
                return Err(Error::Expired);
            }
            while self.at.entry < end.last {
                let page = self.log.after(Some(self.at.entry), PAGE).await?;
                let Some(last) = page.last() else { break };
                let last = last.entry;
                for delivery in page {
                    if self.send(Ok(response(&self.at.epoch, delivery))).await.is_err() {
                        return Ok(());
                    }
                }
                self.at.entry = last;
            }
            tokio::select! {
                changed = self.end.changed() => if changed.is_err() { return Ok(()) },
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    /// A gateway that takes nothing for this long is gone; it will come back after the last delivery it has seen.
    async fn send(&self, answer: Result<WatchResponse, Status>) -> Result<(), ()> {
        self.sender.send_timeout(answer, Duration::from_secs(30)).await.map_err(|_| ())
    }
}

fn position_only(at: &Position) -> WatchResponse {
    WatchResponse {
        delivery_id: at.to_string(),
        emitted_at_ms: Utc::now().timestamp_millis(),
        ..Default::default()
    }
}

fn response(epoch: &str, delivery: Delivery) -> WatchResponse {
    let Delivery { entry, topic, event_id, envelope_json } = delivery;
    let EntryId { millis, .. } = entry;
    WatchResponse {
        delivery_id: Position { epoch: epoch.to_owned(), entry }.to_string(),
        topic,
        event_id,
        envelope_json,
        emitted_at_ms: millis as i64,
    }
}
