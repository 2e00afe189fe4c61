//! A socket of `graphql-transport-ws`, as a frontend opens one.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use http::HeaderValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::frontend::Frontend;

/// Messages that wait for one reader; the socket is read no further while they do.
const WAITING: usize = 1024;

/// An open socket; dropping it closes it.
pub(crate) struct Socket {
    commands: mpsc::Sender<Command>,
    next_id: u32,
}

struct Command {
    id: String,
    payload: Value,
    news: mpsc::Sender<Value>,
}

/// What a subscription brings: the `data` of each message.
pub(crate) struct News(mpsc::Receiver<Value>);

impl News {
    /// The next one; an error when the subscription has ended or nothing comes in time.
    pub(crate) async fn next(&mut self, within: Duration) -> anyhow::Result<Value> {
        let news = tokio::time::timeout(within, self.0.recv())
            .await
            .context("nothing came over the socket in time")?;
        let mut news = news.context("the subscription has ended")?;
        if let Some(errors) = news.get("errors") {
            bail!("the subscription answered {errors}");
        }
        Ok(news["data"].take())
    }
}

impl Socket {
    pub(crate) async fn open(frontend: &Frontend) -> anyhow::Result<Socket> {
        let mut request = frontend.socket_url()?.as_str().into_client_request()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        let (mut stream, _) =
            tokio_tungstenite::connect_async(request).await.context("the socket was refused")?;
        let mut payload = json!({});
        if let Some(token) = frontend.token() {
            payload = json!({ "authorization": format!("Bearer {token}") });
        }
        stream
            .send(Message::text(json!({ "type": "connection_init", "payload": payload }).to_string()))
            .await?;
        let first = stream.next().await.context("the socket was closed at once")??;
        let text = first.to_text().unwrap_or_default();
        if !text.contains("connection_ack") {
            bail!("the socket did not acknowledge: {first}");
        }
        let (commands, mut asked) = mpsc::channel::<Command>(8);
        tokio::spawn(async move {
            let mut open: HashMap<String, mpsc::Sender<Value>> = HashMap::new();
            loop {
                tokio::select! {
                    command = asked.recv() => {
                        let Some(command) = command else { break };
                        let message = json!({ "id": command.id, "type": "subscribe", "payload": command.payload });
                        open.insert(command.id, command.news);
                        if stream.send(Message::text(message.to_string())).await.is_err() { break }
                    }
                    message = stream.next() => {
                        let Some(Ok(message)) = message else { break };
                        let Ok(mut said) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else { continue };
                        let id = said["id"].as_str().unwrap_or_default().to_owned();
                        match said["type"].as_str() {
                            Some("next") => if let Some(news) = open.get(&id) { let _ = news.send(said["payload"].take()).await; },
                            Some("error") => if let Some(news) = open.remove(&id) { let _ = news.send(json!({ "errors": said["payload"] })).await; },
                            Some("complete") => { open.remove(&id); }
                            _ => {}
                        }
                    }
                }
            }
            let _ = stream.close(None).await;
        });
        Ok(Socket { commands, next_id: 0 })
    }

    pub(crate) async fn subscribe(&mut self, query: &str, variables: Value) -> anyhow::Result<News> {
        self.next_id += 1;
        let (news, receiver) = mpsc::channel(WAITING);
        let payload = json!({ "query": query, "variables": variables });
        let command = Command { id: self.next_id.to_string(), payload, news };
        self.commands.send(command).await.map_err(|_| anyhow::anyhow!("the socket is closed"))?;
        Ok(News(receiver))
    }
}
