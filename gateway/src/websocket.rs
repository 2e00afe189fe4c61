//! The door in by WebSocket: our own loop over the schema, after `graphql-transport-ws` to the letter.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use async_graphql::Response;
use axum::{
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    response::{IntoResponse, Response as HttpResponse},
};
use futures::{SinkExt, StreamExt, stream::SplitSink};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

use crate::{
    cookies, forgery,
    http::{DEADLINE, Door, finish, is_subscription, request_id},
    negotiate,
    seat::Seat,
    socket::{self, Close, PROTOCOL, Said},
    viewer::{Refused, Viewer},
    visitor::Visitor,
};

const INIT_WITHIN: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client that answers no ping for this long is gone.
const SILENT_FOR: Duration = Duration::from_secs(50);
/// Messages that wait for one client; a client that lets more pile up is dropped.
const WAITING: usize = 256;
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Accepts the upgrade where origin and number of sockets allow it.
pub(crate) fn open(
    door: Door,
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
    peer: SocketAddr,
) -> HttpResponse {
    if let Err(forged) = forgery::check(headers, &door.origins, false) {
        return (StatusCode::FORBIDDEN, forged.message()).into_response();
    }
    let Ok(permit) = door.sockets.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sockets, try again").into_response();
    };
    let (client, headers) = (Visitor::of_socket(peer, headers, &door.trusted_proxies), headers.clone());
    let limit = door.limits.body_bytes;
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(4 * 1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(1024 * 1024)
        .on_upgrade(move |socket| async move {
            let _permit = permit;
            Box::pin(Socket::new(door, client, headers).run(socket)).await;
        })
}

/// What an operation's task has to say; `None` ends the operation.
struct Spoken {
    id: String,
    generation: u64,
    text: Option<String>,
}

struct Running {
    generation: u64,
    task: AbortHandle,
}

struct Socket {
    door: Door,
    client: Visitor,
    headers: HeaderMap,
    request_id: String,
    is_acknowledged: bool,
    seat: Seat,
    running: HashMap<String, Running>,
    /// Tells an operation from an older one of the same id whose last words are still on the way.
    generation: u64,
    spoken: mpsc::Sender<Spoken>,
    hear: Option<mpsc::Receiver<Spoken>>,
}

type Sink = SplitSink<WebSocket, Message>;

impl Socket {
    fn new(door: Door, client: Visitor, headers: HeaderMap) -> Socket {
        let (spoken, hear) = mpsc::channel(WAITING);
        let request_id = request_id(&headers);
        Socket {
            seat: Seat::new(door.clone()),
            door,
            client,
            headers,
            request_id,
            is_acknowledged: false,
            running: HashMap::new(),
            generation: 0,
            spoken,
            hear: Some(hear),
        }
    }

    async fn run(mut self, socket: WebSocket) {
        let speaks = socket.protocol().is_some_and(|protocol| protocol.as_bytes() == PROTOCOL.as_bytes());
        let (mut sink, mut stream) = socket.split();
        let close = match speaks {
            false => Some(Close::NotAcceptable),
            true => self.converse(&mut sink, &mut stream).await.err(),
        };
        for running in self.running.values() {
            running.task.abort();
        }
        let goodbye = async {
            if let Some(close) = close {
                let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
                let _ = sink.send(Message::Close(Some(frame))).await;
            }
            // A client that closed first waits for our answer; without it the close looks like a broken line.
            let _ = sink.close().await;
        };
        let _ = tokio::time::timeout(WRITE_WITHIN, goodbye).await;
    }

    async fn converse(
        &mut self,
        sink: &mut Sink,
        stream: &mut futures::stream::SplitStream<WebSocket>,
    ) -> Result<(), Close> {
        let mut hear = self.hear.take().expect("a socket converses once");
        let stopping = self.door.stopping.clone();
        let init_by = Instant::now() + INIT_WITHIN;
        let mut heard_at = Instant::now();
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut look = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Err(Close::GoingAway),
                () = tokio::time::sleep_until(init_by), if !self.is_acknowledged => return Err(Close::InitTimeout),
                _ = look.tick() => self.seat.look()?,
                _ = ping.tick() => {
                    if heard_at.elapsed() > SILENT_FOR {
                        return Ok(());
                    }
                    write(sink, Message::Ping(Default::default())).await?;
                }
                Some(spoken) = hear.recv() => self.pass_on(sink, spoken).await?,
                message = stream.next() => {
                    heard_at = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => self.obey(sink, &text).await?,
                        Some(Ok(Message::Binary(_))) => return Err(Close::BadRequest("Binary messages are not supported")),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    }
                }
            }
        }
    }

    async fn obey(&mut self, sink: &mut Sink, text: &str) -> Result<(), Close> {
        match socket::read(text)? {
            Said::Init { .. } if self.is_acknowledged => {
                Err(Close::TooMany("Too many initialisation requests"))
            }
            Said::Init { payload } => {
                // A socket lives long, the head of its request does not.
                let headers = std::mem::take(&mut self.headers);
                self.seat.take(self.sign_in(&payload, &headers).await?);
                self.is_acknowledged = true;
                write(sink, Message::text(socket::acknowledged())).await
            }
            Said::Ping { payload } => write(sink, Message::text(socket::pong(payload))).await,
            Said::Pong => Ok(()),
            Said::Subscribe { .. } if !self.is_acknowledged => Err(Close::Unauthorized("Unauthorized")),
            Said::Subscribe { id, payload } => self.subscribe(id, payload),
            Said::Complete { id } => {
                if let Some(running) = self.running.remove(&id) {
                    running.task.abort();
                }
                Ok(())
            }
        }
    }

    /// The token of the first message, or the cookie that came with the upgrade. The session is asked for once at
    /// the start: a revocation that happened while no gateway listened is seen here.
    async fn sign_in(
        &self,
        payload: &Map<String, Value>,
        headers: &HeaderMap,
    ) -> Result<Option<Viewer>, Close> {
        let given = ["authorization", "Authorization"].iter().find_map(|name| payload.get(*name));
        let viewer = match given {
            Some(Value::String(text)) => self.door.viewers.of_authorization(text).await,
            Some(_) => Err(Refused::Invalid),
            // Browsers always name the origin of a socket; cookies without one were taken from a browser.
            None if cookies::are_meant(headers) && !forgery::has_origin(headers) => {
                return Err(Close::Forbidden("Cookies need an Origin"));
            }
            None => self.door.viewers.of_headers(headers).await,
        };
        match viewer {
            Ok(viewer) if self.door.is_session_alive(&viewer).await => Ok(Some(viewer)),
            Ok(_) | Err(Refused::Revoked) => Err(Close::Unauthorized("The session has ended")),
            Err(Refused::Absent) => Ok(None),
            Err(Refused::Unavailable) => Err(Close::TryAgain),
            Err(refused) => Err(Close::Forbidden(refused.message())),
        }
    }

    fn subscribe(&mut self, id: String, payload: Map<String, Value>) -> Result<(), Close> {
        if self.running.contains_key(&id) {
            return Err(Close::Taken(id));
        }
        if self.running.len() >= self.door.limits.subscriptions {
            return Err(Close::TooMany("Too many subscriptions on one socket"));
        }
        self.seat.look()?;
        let Ok(mut request) = negotiate::from_fields(payload) else {
            return Err(Close::BadRequest("Invalid payload of a subscribe message"));
        };
        let lasts = is_subscription(&mut request);
        let request = self.door.furnish(request, self.seat.viewer(), self.client.clone());
        let request = request.data(self.seat.clone());
        let mut responses = self.door.schema.execute_stream(request);
        self.generation += 1;
        let (generation, spoken, request_id) =
            (self.generation, self.spoken.clone(), self.request_id.clone());
        let name = id.clone();
        let work = async move {
            let say = async |text| {
                let _ = spoken.send(Spoken { id: name.clone(), generation, text }).await;
            };
            while let Some(mut response) = responses.next().await {
                finish(&mut response, &request_id);
                if is_request_error(&response) {
                    say(Some(socket::error(&name, &response))).await;
                    return say(None).await;
                }
                say(Some(socket::next(&name, &response))).await;
            }
            say(Some(socket::complete(&name))).await;
            say(None).await;
        };
        let request_id = self.request_id.clone();
        // What answers once has the time of a request by HTTP; a subscription has all the time there is.
        let task = match lasts {
            true => tokio::spawn(work),
            false => tokio::spawn(async move { rpc::within(DEADLINE, Some(&request_id), work).await }),
        };
        self.running.insert(id, Running { generation, task: task.abort_handle() });
        Ok(())
    }

    async fn pass_on(&mut self, sink: &mut Sink, spoken: Spoken) -> Result<(), Close> {
        let is_current =
            self.running.get(&spoken.id).is_some_and(|running| running.generation == spoken.generation);
        match spoken.text {
            Some(text) if is_current => write(sink, Message::text(text)).await,
            None if is_current => {
                self.running.remove(&spoken.id);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn is_request_error(response: &Response) -> bool {
    response.is_err() && response.errors.iter().all(|error| error.path.is_empty())
}

async fn write(sink: &mut Sink, message: Message) -> Result<(), Close> {
    match tokio::time::timeout(WRITE_WITHIN, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Close::TooSlow),
    }
}
