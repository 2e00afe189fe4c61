//! What clients are told when something unexpected goes wrong. Expected failures are data (`schema/problem.rs`).

use std::time::Duration;

use async_graphql::{Error, ErrorExtensions, ServerError, Value};
use http::HeaderValue;
use rpc::{Code, Problem};
use tonic::Status;

/// The closed list of `extensions.code`, beside those that [`Code`] names.
pub(crate) const BAD_CURSOR: &str = "BAD_CURSOR";
pub(crate) const CURSOR_EXPIRED: &str = "CURSOR_EXPIRED";
pub(crate) const PAGE_TOO_LARGE: &str = "PAGE_TOO_LARGE";
pub(crate) const PARSE_FAILED: &str = "PARSE_FAILED";
pub(crate) const QUERY_TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
pub(crate) const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
pub(crate) const VALIDATION_FAILED: &str = "VALIDATION_FAILED";

/// An error with a code of the list.
pub(crate) fn coded(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// The error that a call's failure becomes. An internal one never tells its cause.
pub(crate) fn failed(status: &Status) -> Error {
    let problem = Problem::from(status);
    let code = match problem.reason.as_str() {
        "BAD_CURSOR" => BAD_CURSOR,
        "CURSOR_EXPIRED" => CURSOR_EXPIRED,
        _ => problem.code.as_str(),
    };
    let message = match problem.code {
        Code::Internal => "something went wrong on our side".to_owned(),
        Code::Unavailable => "a service is not available, try again".to_owned(),
        Code::DeadlineExceeded => "a service did not answer in time, try again".to_owned(),
        _ => problem.message,
    };
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", code);
        if let Some(after) = problem.retry_after {
            extensions.set("retryAfterMs", after.as_millis() as u64);
        }
    })
}

/// When a client whose limit is used up may come again, in whole seconds, as the header says it.
pub(crate) fn retry_after(errors: &[ServerError]) -> Option<HeaderValue> {
    let limited = Value::from(Code::RateLimited.as_str());
    let wait = errors.iter().filter_map(|error| {
        let extensions = error.extensions.as_ref().filter(|ext| ext.get("code") == Some(&limited))?;
        match extensions.get("retryAfterMs") {
            Some(Value::Number(millis)) => millis.as_u64(),
            _ => Some(1000),
        }
    });
    Some(whole_seconds(Duration::from_millis(wait.max()?)))
}

/// Rounded up: whoever comes when told to is let in.
pub(crate) fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_millis().div_ceil(1000).clamp(1, 86_400) as u64)
}

/// Gives the library's own errors (parsing, validation, limits) a code, and every error the request's ids.
pub(crate) fn finish(error: &mut ServerError, request_id: &str, trace_id: Option<&str>) {
    let is_request_error = error.path.is_empty();
    let extensions = error.extensions.get_or_insert_with(Default::default);
    if extensions.get("code").is_none() {
        extensions.set("code", library_code(&error.message, is_request_error));
    }
    extensions.set("requestId", request_id);
    if let Some(trace_id) = trace_id {
        extensions.set("traceId", Value::from(trace_id));
    }
}

fn library_code(message: &str, is_request_error: bool) -> &'static str {
    let message = message.trim_start();
    if message.starts_with("-->") {
        PARSE_FAILED
    } else if message.contains("too complex")
        || message.contains("too deep")
        || message.contains("nested too")
    {
        QUERY_TOO_COMPLEX
    } else if is_request_error {
        VALIDATION_FAILED
    } else {
        Code::BadInput.as_str()
    }
}
