//! Listens to one socket: subscribes to new heads, notices when it is silent, and comes back when it breaks.

use std::{
    sync::{Arc, LazyLock, Weak},
    time::{Duration, Instant},
};

use alloy::primitives::U64;
use futures::{SinkExt, StreamExt};
use ids::ChainId;
use rand::Rng;
use reqwest::{Client, StatusCode, Upgraded, header, redirect};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{Endpoint, node::Inner, sockets::Place};

const OPENS_WITHIN: Duration = Duration::from_secs(5);
const SENDS_WITHIN: Duration = Duration::from_secs(2);
/// What a socket says of a head takes a few kilobytes.
const MESSAGE_MOST: usize = 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Who was listened to for so long begins with a short pause again.
const LONG: Duration = Duration::from_secs(60);
/// Nobody is woken more often, nor more often than so many times a block, whatever a socket says.
const WAKES_APART: Duration = Duration::from_millis(50);
const WAKES_PER_BLOCK: u32 = 4;
/// More messages than this within such a time are not about heads.
const MOST_MESSAGES: u32 = 2_000;
const COUNTED_OVER: Duration = Duration::from_secs(10);
/// One that says nothing for three blocks and this time is taken for dead.
const PATIENCE: Duration = Duration::from_secs(3);
const BLOCKS_OF_PATIENCE: u32 = 3;
/// So many times as long without a head, and the subscription is taken for lost.
const SILENCES: u32 = 4;

const CHAIN_ASKED: u64 = 1;
const SUBSCRIBED: u64 = 2;

/// HTTP/1.1 alone can become a socket. Redirects are refused, since they would carry a key away.
static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    Client::builder()
        .http1_only()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(3))
        .build()
        .map_err(|err| err.to_string())
});

type Socket = WebSocketStream<Upgraded>;

/// What came over a socket, as far as it is heard.
#[derive(Deserialize)]
struct Heard {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Listens until nobody has the chain any more.
pub(crate) async fn attend(node: Weak<Inner>, place: Arc<Place>, teller: Arc<watch::Sender<u64>>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let Some((chain_id, block_time)) = node.upgrade().map(|node| (node.chain_id, node.block_time()))
        else {
            return;
        };
        let began = Instant::now();
        let why = {
            let mut ear = Ear::new(&place, &teller, block_time);
            ear.listen(chain_id).await
        };
        place.failed();
        let (chain, host) = (chain_id.to_string(), place.endpoint.host());
        tracing::info!(
            chain.id = chain,
            endpoint.host = host,
            error = why,
            "a socket tells of heads no more"
        );
        if began.elapsed() > LONG {
            pause = FIRST_PAUSE;
        }
        // Every process lost it at the same moment, and not all need come back at one.
        let wait = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection's memory.
struct Ear<'a> {
    place: &'a Place,
    teller: &'a watch::Sender<u64>,
    quiet: Duration,
    apart: Duration,
    /// Whether it said that it serves the chain; before, nothing that it tells counts.
    is_proven: bool,
    is_accepted: bool,
    heard_at: Instant,
    head_at: Instant,
    pinged_at: Instant,
    woke_at: Option<Instant>,
    /// A wake that waits until the last one is long enough ago.
    wakes_at: Option<Instant>,
    counted_from: Instant,
    messages: u32,
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        self.set_subscribed(false);
    }
}

impl<'a> Ear<'a> {
    fn new(place: &'a Place, teller: &'a watch::Sender<u64>, block_time: Duration) -> Ear<'a> {
        let now = Instant::now();
        Ear {
            place,
            teller,
            quiet: block_time.saturating_mul(BLOCKS_OF_PATIENCE).saturating_add(PATIENCE),
            apart: WAKES_APART.max(block_time / WAKES_PER_BLOCK),
            is_proven: false,
            is_accepted: false,
            heard_at: now,
            head_at: now,
            pinged_at: now,
            woke_at: None,
            wakes_at: None,
            counted_from: now,
            messages: 0,
        }
    }

    /// Listens until the socket breaks; says why it did.
    async fn listen(&mut self, chain_id: ChainId) -> &'static str {
        let mut socket = match timeout(OPENS_WITHIN, open(&self.place.endpoint)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(why)) => return why,
            Err(_elapsed) => return "it does not open in time",
        };
        for (id, method, params) in
            [(CHAIN_ASKED, "eth_chainId", json!([])), (SUBSCRIBED, "eth_subscribe", json!(["newHeads"]))]
        {
            let question = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
            if let Err(why) = send(&mut socket, Message::text(question.to_string())).await {
                return why;
            }
        }
        (self.heard_at, self.head_at) = (Instant::now(), Instant::now());
        loop {
            let told = tokio::select! {
                told = socket.next() => match told {
                    Some(Ok(message)) => self.hear(&message, chain_id),
                    Some(Err(_)) => Err("it broke"),
                    None => Err("it was closed"),
                },
                () = sleep_until(self.next_look().into()) => match self.look(Instant::now()) {
                    Ok(true) => send(&mut socket, Message::Ping(Vec::new().into())).await,
                    Ok(false) => Ok(()),
                    Err(why) => Err(why),
                },
            };
            if let Err(why) = told {
                return why;
            }
        }
    }

    fn hear(&mut self, message: &Message, chain_id: ChainId) -> Result<(), &'static str> {
        let now = Instant::now();
        self.heard_at = now;
        if now.saturating_duration_since(self.counted_from) > COUNTED_OVER {
            (self.counted_from, self.messages) = (now, 0);
        }
        self.messages += 1;
        if self.messages > MOST_MESSAGES {
            return Err("it says too much");
        }
        let text = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes.as_ref(),
            Message::Close(_) => return Err("it was closed"),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        let heard: Heard = serde_json::from_slice(text).map_err(|_| "it says what cannot be read")?;
        match (heard.id, heard.method.as_deref(), heard.result) {
            (Some(CHAIN_ASKED), _, Some(found)) if heard.error.is_none() => {
                let found: Option<U64> = serde_json::from_value(found).ok();
                if found.map(|found| found.to()) != Some(chain_id.number()) {
                    return Err("it serves another chain");
                }
                self.is_proven = true;
                self.set_subscribed(self.is_accepted);
            }
            (Some(CHAIN_ASKED), ..) => return Err("it does not say which chain it serves"),
            (Some(SUBSCRIBED), _, Some(_)) if heard.error.is_none() => {
                self.head_at = now;
                self.is_accepted = true;
                self.set_subscribed(self.is_proven);
            }
            (Some(SUBSCRIBED), ..) => return Err("it takes no subscriptions"),
            (_, Some("eth_subscription"), _) if self.is_proven => {
                self.head_at = now;
                self.place.heard_head();
                self.set_subscribed(true);
                self.wake(now);
            }
            _ => {}
        }
        Ok(())
    }

    /// When there is something to do although nothing is heard.
    fn next_look(&self) -> Instant {
        let head_due = if self.place.is_subscribed() { self.quiet } else { self.quiet * SILENCES };
        let looks = [
            Some(self.heard_at + self.quiet),
            Some(self.head_at + head_due),
            Some(self.pinged_at + self.quiet / 3),
            self.wakes_at,
        ];
        looks.into_iter().flatten().min().unwrap_or(self.heard_at)
    }

    /// True where it is time to hear whether the other side is still there.
    fn look(&mut self, now: Instant) -> Result<bool, &'static str> {
        if self.wakes_at.is_some_and(|at| at <= now) {
            self.wakes_at = None;
            self.wake(now);
        }
        if self.heard_at + self.quiet <= now {
            return Err("it is silent");
        }
        if self.head_at + self.quiet <= now {
            // The chain may rest. Whoever follows looks for themselves until the next head.
            self.set_subscribed(false);
        }
        if self.head_at + self.quiet * SILENCES <= now {
            return Err("it tells of no heads");
        }
        let is_due = self.pinged_at + self.quiet / 3 <= now;
        if is_due {
            self.pinged_at = now;
        }
        Ok(is_due)
    }

    fn set_subscribed(&mut self, is_subscribed: bool) {
        if self.place.set_subscribed(is_subscribed) {
            self.tell();
        }
    }

    fn wake(&mut self, now: Instant) {
        match self.woke_at.map(|at| at + self.apart).filter(|free| now < *free) {
            Some(free) => self.wakes_at = Some(free),
            None => {
                self.woke_at = Some(now);
                self.tell();
            }
        }
    }

    fn tell(&self) {
        self.teller.send_modify(|wakes| *wakes = wakes.wrapping_add(1));
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), &'static str> {
    match timeout(SENDS_WITHIN, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err("it broke"),
        Err(_elapsed) => Err("it takes nothing"),
    }
}

/// Opens a socket by the client that speaks TLS everywhere here. The library's messages repeat the URL, and with it the
/// key: none is passed on.
async fn open(endpoint: &Endpoint) -> Result<Socket, &'static str> {
    let client = CLIENT.as_ref().map_err(|_| "there is no client")?;
    let mut url = endpoint.url.clone();
    let scheme = if url.scheme() == "wss" { "https" } else { "http" };
    url.set_scheme(scheme).map_err(|()| "it has no such scheme")?;
    let key = generate_key();
    let mut request = client
        .get(url)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key);
    if let Some((name, value)) = &endpoint.header {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|_| "it is not reached")?;
    let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    let is_accepted = accepted.is_some_and(|accepted| *accepted == derive_accept_key(key.as_bytes()));
    if response.status() != StatusCode::SWITCHING_PROTOCOLS || !is_accepted {
        return Err("it does not become a socket");
    }
    let stream = response.upgrade().await.map_err(|_| "it does not become a socket")?;
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_MOST)).max_frame_size(Some(MESSAGE_MOST));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
