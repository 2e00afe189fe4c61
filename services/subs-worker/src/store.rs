//! The delivery log in Redis: one stream, its epoch, and the marks that keep it free of duplicates.

use std::{sync::Arc, time::Duration};

use launch::Secret;
use redis::{AsyncCommands, RedisError, Script, aio::ConnectionManager, aio::ConnectionManagerConfig};

use crate::{
    config::Window,
    model::{Delivery, EntryId, Extent},
};

const STREAM: &str = "{subs}:deliveries";
const EPOCH: &str = "{subs}:epoch";

/// The log. Clones share one connection that comes back by itself; `tail` has one of its own because it blocks.
#[derive(Clone)]
pub(crate) struct Log {
    client: redis::Client,
    connection: ConnectionManager,
    append: Arc<Script>,
    window: Window,
}

/// What became of a message that was to be appended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    At(EntryId),
    Duplicate,
    Stale,
}

/// A message that is to be appended.
pub(crate) struct Entry<'a> {
    pub(crate) topic: &'a str,
    pub(crate) event_id: &'a str,
    /// The entity and its revision, where it has one.
    pub(crate) revision: Option<(&'a str, i64)>,
    pub(crate) envelope_json: &'a str,
}

impl Log {
    pub(crate) async fn connect(
        url: &Secret,
        window: Window,
        process: &mut launch::Process,
    ) -> anyhow::Result<Log> {
        let client = redis::Client::open(url.expose())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(5)))
            .set_max_delay(Duration::from_secs(1));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        let log =
            Log { client, connection, append: Arc::new(Script::new(include_str!("append.lua"))), window };
        let pinged = log.clone();
        process.ready("redis", move || {
            let mut connection = pinged.connection.clone();
            Box::pin(async move {
                let pong: Result<String, RedisError> = redis::cmd("PING").query_async(&mut connection).await;
                pong.map(|_| serde_json::Value::Null).map_err(|err| err.to_string())
            })
        });
        Ok(log)
    }

    /// A connection of one's own, for a command that blocks.
    pub(crate) async fn blocking(&self) -> Result<redis::aio::MultiplexedConnection, RedisError> {
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(10)));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    pub(crate) async fn append(&self, entry: Entry<'_>) -> Result<Appended, RedisError> {
        let (partition, revision) = match entry.revision {
            Some((partition, revision)) => (partition, revision.to_string()),
            None => ("", String::new()),
        };
        // Marks outlive the deliveries: what is still in the window can never be appended again.
        let marks_live_secs = self.window.hours * 3600 + 3600;
        let answer: String = self
            .append
            .key(STREAM)
            .key(EPOCH)
            .key(format!("{{subs}}:mark:{}", entry.event_id))
            .key(format!("{{subs}}:revision:{partition}"))
            .arg(new_epoch())
            .arg(marks_live_secs)
            .arg(self.window.deliveries)
            .arg(revision)
            .arg(entry.topic)
            .arg(entry.event_id)
            .arg(entry.envelope_json)
            .invoke_async(&mut self.connection.clone())
            .await?;
        match answer.as_str() {
            "duplicate" => Ok(Appended::Duplicate),
            "stale" => Ok(Appended::Stale),
            id => Ok(Appended::At(entry_id(id)?)),
        }
    }

    /// The epoch is made here too: a log that nothing was appended to yet has positions as well.
    pub(crate) async fn extent(&self) -> Result<Extent, RedisError> {
        let mut connection = self.connection.clone();
        let (_, epoch): (Option<String>, String) = redis::pipe()
            .atomic()
            .cmd("SET")
            .arg(EPOCH)
            .arg(new_epoch())
            .arg("NX")
            .cmd("GET")
            .arg(EPOCH)
            .query_async(&mut connection)
            .await?;
        let is_there: bool = connection.exists(STREAM).await?;
        if !is_there {
            return Ok(Extent { epoch, first: None, last: EntryId::default(), is_trimmed: false });
        }
        let info: std::collections::HashMap<String, redis::Value> =
            redis::cmd("XINFO").arg("STREAM").arg(STREAM).query_async(&mut connection).await?;
        let number = |name: &str| info.get(name).and_then(|v| redis::from_redis_value::<u64>(v.clone()).ok());
        let last: String = info
            .get("last-generated-id")
            .and_then(|v| redis::from_redis_value(v.clone()).ok())
            .unwrap_or_else(|| "0-0".to_owned());
        let first = self.after(None, 1).await?.first().map(|delivery| delivery.entry);
        let is_trimmed = number("entries-added") != number("length");
        Ok(Extent { epoch, first, last: entry_id(&last)?, is_trimmed })
    }

    pub(crate) async fn epoch(&self) -> Result<Option<String>, RedisError> {
        self.connection.clone().get(EPOCH).await
    }

    /// At most `most` deliveries after the entry, oldest first.
    pub(crate) async fn after(
        &self,
        entry: Option<EntryId>,
        most: usize,
    ) -> Result<Vec<Delivery>, RedisError> {
        let start = entry.map_or_else(|| "-".to_owned(), |entry| format!("({entry}"));
        let rows: Vec<(String, Vec<(String, String)>)> = redis::cmd("XRANGE")
            .arg(STREAM)
            .arg(start)
            .arg("+")
            .arg("COUNT")
            .arg(most)
            .query_async(&mut self.connection.clone())
            .await?;
        rows.into_iter().map(delivery).collect()
    }

    /// Drops what is older than the window.
    pub(crate) async fn trim(&self) -> Result<u64, RedisError> {
        let (seconds, _): (u64, u64) = redis::cmd("TIME").query_async(&mut self.connection.clone()).await?;
        let oldest = seconds.saturating_sub(self.window.hours * 3600) * 1000;
        redis::cmd("XTRIM")
            .arg(STREAM)
            .arg("MINID")
            .arg("~")
            .arg(oldest)
            .query_async(&mut self.connection.clone())
            .await
    }
}

/// Waits until something was appended after `last`; answers the newest entry, or nothing when the time is up.
pub(crate) async fn wait(
    connection: &mut redis::aio::MultiplexedConnection,
    last: EntryId,
    within: Duration,
) -> Result<Option<EntryId>, RedisError> {
    type Streams = Option<Vec<(String, Vec<(String, Vec<(String, String)>)>)>>;
    let streams: Streams = redis::cmd("XREAD")
        .arg("COUNT")
        .arg(1000)
        .arg("BLOCK")
        .arg(within.as_millis() as u64)
        .arg("STREAMS")
        .arg(STREAM)
        .arg(last.to_string())
        .query_async(connection)
        .await?;
    let newest = streams.and_then(|mut streams| streams.pop()).and_then(|(_, mut rows)| rows.pop());
    newest.map(|(id, _)| entry_id(&id)).transpose()
}

fn delivery((id, fields): (String, Vec<(String, String)>)) -> Result<Delivery, RedisError> {
    let mut delivery = Delivery {
        entry: entry_id(&id)?,
        topic: String::new(),
        event_id: String::new(),
        envelope_json: String::new(),
    };
    for (name, value) in fields {
        match name.as_str() {
            "t" => delivery.topic = value,
            "i" => delivery.event_id = value,
            "e" => delivery.envelope_json = value,
            _ => {}
        }
    }
    Ok(delivery)
}

fn entry_id(text: &str) -> Result<EntryId, RedisError> {
    text.parse().map_err(|()| RedisError::from((redis::ErrorKind::UnexpectedReturnType, "not a stream id")))
}

fn new_epoch() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
