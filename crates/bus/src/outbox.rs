//! The outbox: what happened, written in the transaction in which it happened, and sent by a relay after the commit.

use events::Message;
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
    if messages.is_empty() {
        return Ok(());
    }
    let traceparent = launch::trace::current_traceparent();
    let (mut ids, mut exchanges, mut keys, mut bodies) = (vec![], vec![], vec![], vec![]);
    for message in messages {
        let mut envelope = message.envelope.clone();
        envelope.traceparent = envelope.traceparent.or_else(|| traceparent.clone());
        ids.push(message.envelope.id.as_str());
        exchanges.push(message.exchange);
        keys.push(message.routing_key.as_str());
        bodies.push(storable(serde_json::to_value(&envelope).expect("an envelope is JSON")));
    }
    sqlx::query(
        "insert into outbox (message_id, exchange, routing_key, body)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[])
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

/// PostgreSQL's `jsonb` refuses a NUL in a string. A contract may put one into its name, and that must not stop a chain.
fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name.replace('\0', "\u{fffd}"), storable(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_replaced_wherever_it_stands() {
        let value = serde_json::json!({ "name": "a\0b", "list": ["\0", 1, null], "in": { "x\0": true } });
        let expected = serde_json::json!({ "name": "a\u{fffd}b", "list": ["\u{fffd}", 1, null], "in": { "x\u{fffd}": true } });
        assert_eq!(storable(value), expected);
    }
}
