//! subs-worker as the gateway meets it: a log that can be written to, and lost.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use events::Message;
use futures::{Stream, StreamExt};
use proto::subscription::v1::{
    WatchRequest, WatchResponse, subscription_service_server::SubscriptionService,
};
use rpc::{Code, Refusal};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

type Line = mpsc::Sender<Result<WatchResponse, Status>>;

/// The lines to those who watch.
#[derive(Clone, Default)]
pub(crate) struct Deliveries(Arc<Mutex<Vec<Line>>>);

impl Deliveries {
    /// Whether anybody watches.
    pub(crate) fn are_watched(&self) -> bool {
        !self.0.lock().unwrap().is_empty()
    }

    /// Tells everybody who watches.
    pub(crate) async fn tell(&self, message: &Message) {
        let answer = WatchResponse {
            delivery_id: "epoch:2-0".to_owned(),
            envelope_json: serde_json::to_string(&message.envelope).unwrap(),
            ..Default::default()
        };
        let lines = self.0.lock().unwrap().clone();
        for line in lines {
            line.send(Ok(answer.clone())).await.unwrap();
        }
    }

    /// Redis lost the log: no position of it means anything any more.
    pub(crate) async fn lose(&self) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        for line in lines {
            let lost = Refusal::new(Code::Conflict, "CURSOR_EXPIRED", "the position is not in the log");
            line.send(Err(lost.into())).await.unwrap();
        }
    }
}

#[tonic::async_trait]
impl SubscriptionService for Deliveries {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (line, heard) = mpsc::channel(16);
        let opening = WatchResponse { delivery_id: "epoch:1-0".to_owned(), ..Default::default() };
        line.send(Ok(opening)).await.unwrap();
        self.0.lock().unwrap().push(line);
        Ok(Response::new(tokio_stream::wrappers::ReceiverStream::new(heard).boxed()))
    }
}
