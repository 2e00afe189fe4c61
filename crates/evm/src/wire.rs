//! One JSON-RPC question over HTTP: what goes out, and how much of what comes back is read.

use std::{sync::LazyLock, time::Duration};

use alloy::primitives::Bytes;
use reqwest::{Client, redirect};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{Endpoint, NodeError};

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
struct ErrorObject {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Asks once. The caller bounds the time; `limit` bounds the bytes.
pub(crate) async fn ask<T: DeserializeOwned>(
    endpoint: &Endpoint,
    method: &str,
    params: &Value,
    limit: usize,
) -> Result<T, NodeError> {
    let client = CLIENT.as_ref().map_err(|err| NodeError::Transport(err.clone()))?;
    let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut request = client.post(endpoint.url.clone()).json(&question);
    if let Some((name, value)) = &endpoint.header {
        request = request.header(name, value);
    }
    // The library's messages repeat the URL, and with it the key.
    let transport = |err: reqwest::Error| NodeError::Transport(chain(&err.without_url()));
    let mut response = request.send().await.map_err(transport)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > limit {
            return Err(NodeError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    // Some nodes put a proper answer behind a status of 400 or 500, so the body is heard first.
    match serde_json::from_slice::<Answer<T>>(&body) {
        Ok(Answer { error: Some(error), .. }) => Err(refused(error)),
        Ok(Answer { result: Some(result), .. }) if status.is_success() => Ok(result),
        _ if status.as_u16() == 429 => {
            Err(NodeError::Rpc { code: 429, message: "too many requests".to_owned(), revert_data: None })
        }
        _ if !status.is_success() => Err(NodeError::Transport(format!("HTTP status {}", status.as_u16()))),
        Ok(_) => Err(NodeError::Transport("the answer has neither result nor error".to_owned())),
        Err(err) => Err(NodeError::Transport(format!("a malformed answer to {method}: {err}"))),
    }
}

fn refused(error: ErrorObject) -> NodeError {
    let revert_data = error.data.as_ref().and_then(find_data);
    NodeError::Rpc { code: error.code, message: error.message, revert_data }
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

    #[test]
    fn a_revert_is_found_wherever_a_node_puts_it() {
        let expected: Bytes = "0x82b42900".parse().unwrap();
        for data in [json!("0x82b42900"), json!({ "data": "0x82b42900" }), json!("Reverted 0x82b42900")] {
            assert_eq!(find_data(&data), Some(expected.clone()), "{data}");
        }
        assert_eq!(find_data(&json!("out of gas")), None);
    }
}
