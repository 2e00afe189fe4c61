//! The outbox: what happened, written in the transaction in which it happened, and sent by a relay after the commit.

use events::{Envelope, Message};
use serde_json::Value;
use sqlx::PgConnection;

pub use crate::relay::relay;

/// The two tables, the same in the first migration of every database that publishes or consumes.
pub const MIGRATION_TEXT: &str = include_str!("../migrations/0001_outbox_inbox.sql");

/// The channel of the notification that wakes the relay.
pub(crate) const CHANNEL: &str = "outbox";

/// Writes a message into the caller's transaction.
pub async fn put(connection: &mut PgConnection, message: &Message) -> Result<(), sqlx::Error> {
    put_all(connection, std::slice::from_ref(message)).await
}

/// Writes messages into the caller's transaction, in their order. One that is there already is left as it is.
pub async fn put_all(connection: &mut PgConnection, messages: &[Message]) -> Result<(), sqlx::Error> {
    let traceparent = launch::trace::current_traceparent();
    let written: Vec<Written> =
        messages.iter().map(|message| Written::new(message, traceparent.as_deref(), None)).collect();
    put_written(connection, &written).await
}

/// A message as its row has it: JSON text, written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The envelope's id.
    pub id: String,
    /// Where to.
    pub exchange: &'static str,
    /// Under which key.
    pub routing_key: String,
    /// The whole envelope.
    pub body: String,
}

impl Written {
    /// Writes a message under a trace, where it has none of its own; `data` stands for its data where that is JSON text
    /// already.
    pub fn new(message: &Message, traceparent: Option<&str>, data: Option<&str>) -> Written {
        Written {
            id: message.envelope.id.clone(),
            exchange: message.exchange,
            routing_key: message.routing_key.clone(),
            body: body(&message.envelope, traceparent, data),
        }
    }
}

/// The same for messages that are JSON text already.
pub async fn put_written(connection: &mut PgConnection, messages: &[Written]) -> Result<(), sqlx::Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let (mut ids, mut exchanges, mut keys, mut bodies) = (vec![], vec![], vec![], vec![]);
    for message in messages {
        ids.push(message.id.as_str());
        exchanges.push(message.exchange);
        keys.push(message.routing_key.as_str());
        bodies.push(message.body.as_str());
    }
    sqlx::query(
        "insert into outbox (message_id, exchange, routing_key, body)
         select message_id, exchange, routing_key, body::jsonb
         from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as put (message_id, exchange, routing_key, body)
         on conflict on constraint outbox_message_id_key do nothing",
    )
    .bind(&ids)
    .bind(&exchanges)
    .bind(&keys)
    .bind(&bodies)
    .execute(&mut *connection)
    .await?;
    sqlx::query("select pg_notify($1, '')").bind(CHANNEL).execute(connection).await?;
    Ok(())
}

/// The envelope as text, with the trace of this moment where it brings none. A batch is large, so it is written once: what
/// is added is put into the text, and only a text with a NUL is read again.
fn body(envelope: &Envelope, traceparent: Option<&str>, data: Option<&str>) -> String {
    let mut text = serde_json::to_string(envelope).expect("an envelope is JSON");
    if let Some(data) = data {
        // The data is the last field of an envelope.
        text.truncate(text.len() - envelope.data.to_string().len() - 1);
        text.reserve(data.len() + 100);
        text.push_str(data);
        text.push('}');
    }
    if let (None, Some(parent)) = (&envelope.traceparent, traceparent) {
        let field = format!("\"traceparent\":{},", Value::from(parent));
        text.insert_str(1, &field);
    }
    storable(text)
}

/// PostgreSQL's `jsonb` refuses a NUL in a string. A contract may put one into its name, and that must not stop a chain.
pub fn storable(text: String) -> String {
    if !text.contains("\\u0000") {
        return text;
    }
    // Seldom: a backslash before it may be one of the text's own, which only a parser can tell.
    let value = serde_json::from_str(&text).expect("what was written as JSON is JSON");
    without_nul(value).to_string()
}

fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name.replace('\0', "\u{fffd}"), without_nul(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(data: Value) -> Envelope {
        let fields = json!({
            "specversion": "1.0", "id": "a", "source": "/vitrine/test", "type": "t", "time": "2026-01-01T00:00:00Z",
            "datacontenttype": "application/json", "data": data,
        });
        serde_json::from_value(fields).expect("an envelope")
    }

    #[test]
    fn a_body_is_its_envelope_with_a_trace_where_it_has_none() {
        let mut told = envelope(json!({ "name": "a\0b", "said": "\\u0000" }));
        let read: Envelope =
            serde_json::from_str(&body(&told, Some("00-1-2-01"), None)).expect("an envelope");
        assert_eq!(read.data, json!({ "name": "a\u{fffd}b", "said": "\\u0000" }));
        assert_eq!(read.traceparent.as_deref(), Some("00-1-2-01"));
        told.traceparent = Some("00-3-4-01".to_owned());
        let read: Envelope =
            serde_json::from_str(&body(&told, Some("00-1-2-01"), None)).expect("an envelope");
        assert_eq!(read.traceparent.as_deref(), Some("00-3-4-01"));
    }

    #[test]
    fn a_nul_is_replaced_wherever_it_stands() {
        let value = serde_json::json!({ "name": "a\0b", "list": ["\0", 1, null], "in": { "x\0": true } });
        let expected = serde_json::json!({ "name": "a\u{fffd}b", "list": ["\u{fffd}", 1, null], "in": { "x\u{fffd}": true } });
        let stored: Value = serde_json::from_str(&storable(value.to_string())).unwrap();
        assert_eq!(stored, expected);
        // A backslash and what only looks like a NUL.
        let harmless = serde_json::json!({ "text": "\\u0000" });
        let stored: Value = serde_json::from_str(&storable(harmless.to_string())).unwrap();
        assert_eq!(stored, harmless);
    }
}
