//! The words of `graphql-transport-ws`: messages in and out, and the codes that a socket is closed with.

use async_graphql::Response;
use serde_json::{Map, Value, json};

/// The only subprotocol that is spoken.
pub(crate) const PROTOCOL: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Init { payload: Map<String, Value> },
    Ping { payload: Option<Value> },
    Pong,
    Subscribe { id: String, payload: Map<String, Value> },
    Complete { id: String },
}

/// Why a socket is closed. The numbers are the protocol's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// A message that is not of the protocol.
    BadRequest(&'static str),
    /// Not acknowledged yet, or the session has ended.
    Unauthorized(&'static str),
    /// The token was refused or has expired.
    Forbidden(&'static str),
    /// The client offered another protocol.
    NotAcceptable,
    /// No `connection_init` in time.
    InitTimeout,
    /// An operation of that id is running.
    Taken(String),
    /// A second `connection_init`, or more subscriptions than one socket may have.
    TooMany(&'static str),
    /// The gateway stops: come back in a moment.
    GoingAway,
    /// The client does not read what it asked for.
    TooSlow,
    /// The token cannot be checked just now; clients come back by themselves after this code.
    TryAgain,
}

impl Close {
    pub(crate) fn code(&self) -> u16 {
        match self {
            Close::BadRequest(_) => 4400,
            Close::Unauthorized(_) => 4401,
            Close::Forbidden(_) => 4403,
            Close::NotAcceptable => 4406,
            Close::InitTimeout => 4408,
            Close::Taken(_) => 4409,
            Close::TooMany(_) => 4429,
            Close::GoingAway => 1001,
            Close::TooSlow | Close::TryAgain => 1013,
        }
    }

    /// At most 123 bytes, which is what a close frame holds.
    pub(crate) fn reason(&self) -> String {
        let reason = match self {
            Close::BadRequest(why)
            | Close::Unauthorized(why)
            | Close::Forbidden(why)
            | Close::TooMany(why) => (*why).to_owned(),
            Close::NotAcceptable => "Subprotocol not acceptable".to_owned(),
            Close::InitTimeout => "Connection initialisation timeout".to_owned(),
            Close::Taken(id) => format!("Subscriber for {id} already exists"),
            Close::GoingAway => "Going away: reconnect in a moment".to_owned(),
            Close::TryAgain => "The access token cannot be checked just now: try again".to_owned(),
            Close::TooSlow => "Too slow: resume after your last cursor".to_owned(),
        };
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason[..end].to_owned()
    }
}

/// Reads one message; what does not fit closes the socket with 4400.
pub(crate) fn read(text: &str) -> Result<Said, Close> {
    let bad = Close::BadRequest("Invalid message");
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else { return Err(bad) };
    let Some(Value::String(kind)) = fields.remove("type") else { return Err(bad) };
    let payload = fields.remove("payload");
    let id = fields.remove("id");
    match (kind.as_str(), id, payload) {
        ("connection_init", _, None | Some(Value::Null)) => Ok(Said::Init { payload: Map::new() }),
        ("connection_init", _, Some(Value::Object(payload))) => Ok(Said::Init { payload }),
        ("ping", _, payload @ (None | Some(Value::Null | Value::Object(_)))) => Ok(Said::Ping { payload }),
        ("pong", _, None | Some(Value::Null | Value::Object(_))) => Ok(Said::Pong),
        ("subscribe", Some(Value::String(id)), Some(Value::Object(payload))) if is_id(&id) => {
            Ok(Said::Subscribe { id, payload })
        }
        ("complete", Some(Value::String(id)), _) if is_id(&id) => Ok(Said::Complete { id }),
        _ => Err(bad),
    }
}

fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
}

pub(crate) fn acknowledged() -> String {
    json!({ "type": "connection_ack" }).to_string()
}

pub(crate) fn pong(payload: Option<Value>) -> String {
    match payload {
        Some(payload) if !payload.is_null() => json!({ "type": "pong", "payload": payload }).to_string(),
        _ => json!({ "type": "pong" }).to_string(),
    }
}

pub(crate) fn next(id: &str, response: &Response) -> String {
    json!({ "id": id, "type": "next", "payload": response }).to_string()
}

/// A request that could not be executed at all.
pub(crate) fn error(id: &str, response: &Response) -> String {
    json!({ "id": id, "type": "error", "payload": response.errors }).to_string()
}

pub(crate) fn complete(id: &str) -> String {
    json!({ "id": id, "type": "complete" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_protocol_is_read() {
        assert_eq!(read(r#"{"type":"connection_init"}"#), Ok(Said::Init { payload: Map::new() }));
        assert_eq!(read(r#"{"type":"pong"}"#), Ok(Said::Pong));
        assert_eq!(read(r#"{"id":"1","type":"complete"}"#), Ok(Said::Complete { id: "1".into() }));
        assert!(matches!(
            read(r#"{"id":"1","type":"subscribe","payload":{"query":"{a}"}}"#),
            Ok(Said::Subscribe { .. })
        ));
    }

    #[test]
    fn what_does_not_fit_closes_with_4400() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":"start"}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"id":"","type":"complete"}"#,
            r#"{"id":1,"type":"complete"}"#,
            r#"{"type":"ping","payload":1}"#,
        ] {
            assert_eq!(read(text).unwrap_err().code(), 4400, "{text}");
        }
    }

    #[test]
    fn a_reason_fits_a_close_frame() {
        assert!(Close::Taken("é".repeat(100)).reason().len() <= 123);
    }
}
