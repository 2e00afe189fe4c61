//! Several questions in one request, as JSON-RPC has it: answers come in any order, and not always to all.

use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    NodeError,
    wire::{ErrorObject, Form, error_in, malformed, of_status, refused},
};

/// What was answered, each with the place of its question; null is no answer.
pub(crate) type Answers<T> = Vec<(u64, T)>;

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Item<T> {
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    result: Option<T>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

/// Some send numbers back as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

impl Id {
    fn place(&self) -> Option<u64> {
        match self {
            Id::Number(number) => Some(*number),
            Id::Text(text) => text.parse().ok(),
        }
    }
}

/// `params` is an array with the parameters of each question.
pub(crate) fn form<T: DeserializeOwned>() -> Form<Answers<T>> {
    Form { write, read }
}

fn write(method: &str, params: &Value) -> Value {
    let questions = params.as_array().into_iter().flatten().enumerate();
    questions
        .map(|(id, params)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
        .collect()
}

fn read<T: DeserializeOwned>(body: &[u8], status: StatusCode, method: &str) -> Result<Answers<T>, NodeError> {
    let is_door = matches!(status.as_u16(), 401..=403) || status.is_server_error();
    match serde_json::from_slice::<Vec<Item<T>>>(body) {
        Ok(items) if status.is_success() => {
            let (mut answers, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
            let is_empty = items.is_empty();
            for item in items {
                match (item.result, item.error, item.id.and_then(|id| id.place())) {
                    (_, Some(error), _) => errors.push(error),
                    (Some(result), None, Some(place)) => answers.push((place, result)),
                    (Some(_), None, None) => {
                        return Err(NodeError::Transport("an answer of a batch has no id".to_owned()));
                    }
                    (None, None, _) => {}
                }
            }
            match errors.into_iter().next() {
                Some(error) if answers.is_empty() => Err(refusal(error, status)),
                _ if is_empty => Err(NodeError::refused_batch("a batch was answered with nothing")),
                _ => Ok(answers),
            }
        }
        Ok(_) if is_door => Err(of_status(status)),
        Ok(_) => Err(NodeError::refused_batch("a batch was answered with a bad status")),
        // Its own words come before its status.
        Err(_) if let Some(error) = error_in(body) => Err(refusal(error, status)),
        Err(_) if is_door => Err(of_status(status)),
        Err(err) if status.is_success() && is_array(body) => Err(malformed(method, &err)),
        Err(err) if status.is_success() && !is_object(body) => Err(malformed(method, &err)),
        // One answer where several were asked for, or a door that knows only one form.
        Err(_) => Err(NodeError::refused_batch("a batch was not answered as one")),
    }
}

/// Why none of the questions was answered.
fn refusal(error: ErrorObject, status: StatusCode) -> NodeError {
    let is_about_batches = error.message.to_ascii_lowercase().contains("batch");
    let told = refused(error, status);
    match &told {
        NodeError::Rpc { code: 429 | -32005, .. } => told,
        _ if is_about_batches => NodeError::refused_batch("it takes no such batch"),
        NodeError::Rpc { .. } if told.is_limit() || told.is_state_missing() => told,
        // Each of the questions is one that every node answers.
        NodeError::Rpc { code, message, .. } => {
            NodeError::refused_batch(&format!("a batch was refused with error {code}: {message}"))
        }
        _ => told,
    }
}

fn first_of(body: &[u8]) -> Option<u8> {
    body.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

fn is_array(body: &[u8]) -> bool {
    first_of(body) == Some(b'[')
}

fn is_object(body: &[u8]) -> bool {
    first_of(body) == Some(b'{')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> Result<Answers<u8>, NodeError> {
        read(body.as_bytes(), StatusCode::from_u16(status).unwrap(), "m")
    }

    #[test]
    fn answers_carry_the_places_of_their_questions_in_whatever_order_they_come() {
        assert_eq!(told(200, r#"[{"id":1,"result":7},{"id":"0","result":5}]"#), Ok(vec![(1, 7), (0, 5)]));
        assert_eq!(
            told(200, r#"[{"id":1,"result":null},{"id":0,"result":5}]"#),
            Ok(vec![(0, 5)]),
            "null is no answer"
        );
        let partly = r#"[{"id":0,"error":{"code":-32005,"message":"rate limited"}},{"id":1,"result":5}]"#;
        assert_eq!(told(200, partly), Ok(vec![(1, 5)]));
        assert!(matches!(told(200, r#"[{"result":5}]"#), Err(NodeError::Transport(_))));
    }

    #[test]
    fn a_batch_that_is_not_taken_is_known_from_an_endpoint_that_is_away_or_asked_too_much() {
        let refusals = [
            (200, r#"{"id":null,"error":{"code":-32600,"message":"batch requests are not supported"}}"#),
            (200, r#"{"error":{"code":-32000,"message":"batch of more than 20 requests"}}"#),
            (200, r#"{"id":0,"result":5}"#),
            (200, "[]"),
            (400, "no"),
            (405, ""),
            (413, "<html>"),
        ];
        for (status, body) in refusals {
            assert!(told(status, body).unwrap_err().is_refused_batch(), "{status} {body}");
        }
        for limit in [
            r#"[{"id":0,"error":{"code":429,"message":"too many"}}]"#,
            r#"[{"id":0,"error":{"code":429,"message":"too many requests in batches"}}]"#,
            r#"{"error":{"code":-32005,"message":"requests per second exceeded by a batch"}}"#,
        ] {
            assert!(told(200, limit).unwrap_err().is_limit(), "{limit}");
        }
        for (status, body) in [(502, "<html>"), (200, "<html>"), (200, "[{"), (401, "{}")] {
            assert!(matches!(told(status, body), Err(NodeError::Transport(_))), "{status} {body}");
        }
    }
}
