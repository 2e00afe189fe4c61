//! One JSON-RPC question over HTTP: what goes out, and how much of what comes back is read.

use std::{sync::LazyLock, time::Duration};

use alloy::primitives::Bytes;
use reqwest::{
    Client, StatusCode,
    header::{HeaderValue, RETRY_AFTER},
    redirect,
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, json};

use crate::{Endpoint, NodeError};

/// Characters of a node's own words that are kept.
const LONGEST_MESSAGE: usize = 256;

/// One pool of connections for every chain of the process. Redirects are refused, since they would carry a key away.
static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(3))
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
        .map_err(|err| err.to_string())
});

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Answer<T> {
    // Absent and `null` are two answers: the second one says "there is none".
    #[serde(default, deserialize_with = "present")]
    result: Option<T>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
pub(crate) struct ErrorObject {
    code: i64,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    data: Option<Value>,
}

pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Why there is no answer, and how long not to ask again where the endpoint says so.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: NodeError,
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    /// Of a question that every node can answer: whatever is refused there, the caller's question did not cause it.
    pub(crate) fn blaming_endpoint(self) -> Failure {
        let error = match self.error {
            error if error.is_limit() => error,
            NodeError::Rpc { code, message, .. } => {
                NodeError::Transport(format!("refused a plain question with error {code}: {message}"))
            }
            NodeError::TooLarge { limit } => {
                NodeError::Transport(format!("more than {limit} bytes for a plain question"))
            }
            error => error,
        };
        Failure { error, retry_after: self.retry_after }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Failure {
        Failure { error, retry_after: None }
    }
}

/// How a question is written, and its answer read.
pub(crate) struct Form<T> {
    pub(crate) write: fn(&str, &Value) -> Value,
    pub(crate) read: fn(&[u8], StatusCode, &str) -> Result<T, NodeError>,
}

impl<T: DeserializeOwned> Form<T> {
    /// One question, one answer.
    pub(crate) fn single() -> Form<T> {
        Form {
            write: |method, params| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }),
            read,
        }
    }
}

/// Asks once. The caller bounds the time; `limit` bounds the bytes.
pub(crate) async fn ask<T: DeserializeOwned>(
    endpoint: &Endpoint,
    method: &str,
    params: &Value,
    limit: usize,
) -> Result<T, Failure> {
    put(endpoint, method, params, limit, &Form::single()).await
}

/// The same in any form.
pub(crate) async fn put<T>(
    endpoint: &Endpoint,
    method: &str,
    params: &Value,
    limit: usize,
    form: &Form<T>,
) -> Result<T, Failure> {
    let client = CLIENT.as_ref().map_err(|err| NodeError::Transport(err.clone()))?;
    let question = (form.write)(method, params);
    let mut request = client.post(endpoint.url.clone()).json(&question);
    if let Some((name, value)) = &endpoint.header {
        request = request.header(name, value);
    }
    // The library's messages repeat the URL, and with it the key.
    let transport = |err: reqwest::Error| NodeError::Transport(chain(&err.without_url()));
    let mut response = request.send().await.map_err(transport)?;
    let status = response.status();
    let retry_after = seconds_of(response.headers().get(RETRY_AFTER));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > limit {
            let error = match status.is_success() {
                true => NodeError::TooLarge { limit },
                false => of_status(status),
            };
            return Err(Failure { error, retry_after });
        }
        body.extend_from_slice(&chunk);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Failure { error: of_status(status), retry_after });
    }
    (form.read)(&body, status, method).map_err(|error| Failure { error, retry_after })
}

fn read<T: DeserializeOwned>(body: &[u8], status: StatusCode, method: &str) -> Result<T, NodeError> {
    // Some nodes put a proper answer behind a status of 400 or 500, so the body is heard first.
    Err(match serde_json::from_slice::<Answer<T>>(body) {
        Ok(Answer { error: Some(error), .. }) => refused(error, status),
        Ok(Answer { result: Some(result), .. }) if status.is_success() => return Ok(result),
        // An error beside a result that is no answer to the question.
        Err(_) if let Some(error) = error_in(body) => refused(error, status),
        _ if !status.is_success() => of_status(status),
        Ok(_) => NodeError::Transport("the answer has neither result nor error".to_owned()),
        Err(err) => malformed(method, &err),
    })
}

pub(crate) fn malformed(method: &str, err: &serde_json::Error) -> NodeError {
    NodeError::Transport(format!("a malformed answer to {method}: {err}"))
}

pub(crate) fn of_status(status: StatusCode) -> NodeError {
    match status {
        // In the words that questions for logs are refused with.
        StatusCode::PAYLOAD_TOO_LARGE => NodeError::Rpc {
            code: 413,
            message: "the block range or the response size is too large".to_owned(),
            revert_data: None,
        },
        StatusCode::TOO_MANY_REQUESTS => {
            NodeError::Rpc { code: 429, message: "too many requests".to_owned(), revert_data: None }
        }
        status => NodeError::Transport(format!("HTTP status {}", status.as_u16())),
    }
}

pub(crate) fn error_in(body: &[u8]) -> Option<ErrorObject> {
    serde_json::from_slice::<Answer<IgnoredAny>>(body).ok()?.error
}

/// The form in seconds alone: a date would need a clock that agrees.
fn seconds_of(header: Option<&HeaderValue>) -> Option<Duration> {
    header?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What a door before the node says is the endpoint's own, whatever body it says it with; a node may say so of a call.
pub(crate) fn refused(error: ErrorObject, status: StatusCode) -> NodeError {
    let revert_data = error.data.as_ref().and_then(find_data);
    let message = error.message.chars().take(LONGEST_MESSAGE).collect();
    let told = NodeError::Rpc { code: error.code, message, revert_data };
    let is_of_door = matches!(status.as_u16(), 401..=403) || status.is_server_error();
    if is_of_door && !told.is_revert() && !told.is_halt() { of_status(status) } else { told }
}

/// Nodes put a revert's bytes into `data`, into an object inside it, or after a word of their own.
fn find_data(data: &Value) -> Option<Bytes> {
    match data {
        Value::String(text) => text.rsplit(' ').next().filter(|word| word.starts_with("0x"))?.parse().ok(),
        Value::Object(fields) => ["data", "result"].iter().find_map(|name| find_data(fields.get(*name)?)),
        _ => None,
    }
}

fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_an_answer_and_absence_is_not() {
        let null: Answer<Option<u8>> = serde_json::from_str(r#"{"id":1,"result":null}"#).unwrap();
        assert_eq!(null.result, Some(None));
        let nothing: Answer<Option<u8>> = serde_json::from_str(r#"{"id":1}"#).unwrap();
        assert_eq!(nothing.result, None);
    }

    fn told(code: i64, message: &str) -> ErrorObject {
        ErrorObject { code, message: message.to_owned(), data: None }
    }

    #[test]
    fn a_door_that_stays_shut_is_the_endpoints_own_and_a_revert_is_not() {
        for status in [401, 402, 403, 500, 502, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refused(told(-32000, "no such key"), status), of_status(status));
            assert!(matches!(of_status(status), NodeError::Transport(_)));
            assert!(refused(told(3, "execution reverted"), status).is_revert());
        }
        let bad = refused(told(-32602, "invalid params"), StatusCode::BAD_REQUEST);
        assert!(matches!(bad, NodeError::Rpc { code: -32602, .. }));
    }

    #[test]
    fn a_nodes_words_are_cut_and_an_error_beside_a_null_is_heard() {
        let long = refused(told(-32000, &"ä".repeat(4000)), StatusCode::OK);
        assert!(matches!(long, NodeError::Rpc { message, .. } if message.chars().count() == LONGEST_MESSAGE));
        let body = br#"{"id":1,"result":null,"error":{"code":3,"message":"execution reverted"}}"#;
        assert!(serde_json::from_slice::<Answer<u8>>(body).is_err());
        assert_eq!(error_in(body).unwrap().code, 3);
    }

    #[test]
    fn a_revert_is_found_wherever_a_node_puts_it() {
        let expected: Bytes = "0x82b42900".parse().unwrap();
        for data in [json!("0x82b42900"), json!({ "data": "0x82b42900" }), json!("Reverted 0x82b42900")] {
            assert_eq!(find_data(&data), Some(expected.clone()), "{data}");
        }
        assert_eq!(find_data(&json!("out of gas")), None);
    }
}
