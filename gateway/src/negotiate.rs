//! GraphQL over HTTP: what a request must look like, and which status and content type answer it.

use async_graphql::{Request, Response, Variables};
use axum::{
    body::Bytes,
    response::{IntoResponse, Response as HttpResponse},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rpc::Code;
use serde_json::{Map, Value, json};

use crate::{
    error::{PARSE_FAILED, VALIDATION_FAILED},
    http::with_request_id,
};

/// How the answer is written: the media type decides what a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/graphql-response+json`: statuses tell of the request.
    GraphqlResponse,
    /// `application/json`: a well-formed request is always 200.
    Json,
}

impl Media {
    /// What the client accepts; no header means the legacy type, as the specification has it.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Media> {
        let Some(accept) = headers.get(header::ACCEPT) else { return Some(Media::Json) };
        let accept = accept.to_str().ok()?;
        accept.split(',').find_map(|part| {
            match part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                "application/graphql-response+json" => Some(Media::GraphqlResponse),
                "application/json" | "application/*" | "*/*" => Some(Media::Json),
                _ => None,
            }
        })
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Media::Json => "application/json; charset=utf-8",
        })
    }
}

/// A request that never became GraphQL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    status: StatusCode,
    message: String,
}

impl Malformed {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Malformed {
        Malformed { status, message: message.into() }
    }

    pub(crate) fn answer(self, media: Media, request_id: &str) -> HttpResponse {
        let code = match self.status {
            StatusCode::BAD_REQUEST => PARSE_FAILED,
            StatusCode::FORBIDDEN => Code::Forbidden.as_str(),
            _ => VALIDATION_FAILED,
        };
        let extensions = json!({ "code": code, "requestId": request_id });
        let body = json!({ "errors": [{ "message": self.message, "extensions": extensions }] });
        with_request_id(write(self.status, media, &body), request_id)
    }
}

/// The request in a POST body. Only JSON: what a page of another origin can send without asking is refused.
pub(crate) fn from_body(headers: &HeaderMap, body: &Bytes) -> Result<Request, Malformed> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| !name.eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8"));
    if !is_json || !is_utf8 {
        return Err(Malformed::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type must be application/json in UTF-8",
        ));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|err| Malformed::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {err}")))?;
    match value {
        Value::Object(fields) => from_fields(fields),
        Value::Array(_) => Err(Malformed::new(StatusCode::BAD_REQUEST, "batches are not supported")),
        _ => Err(Malformed::new(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
    }
}

/// The request in a GET's query string.
pub(crate) fn from_query(query: &str) -> Result<Request, Malformed> {
    let mut fields = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match name.as_ref() {
            "variables" | "extensions" if !value.is_empty() => {
                serde_json::from_str(&value).map_err(|err| {
                    Malformed::new(StatusCode::BAD_REQUEST, format!("{name} is not JSON: {err}"))
                })?
            }
            _ => Value::String(value.into_owned()),
        };
        fields.insert(name.into_owned(), value);
    }
    from_fields(fields)
}

/// The parameters that GraphQL over HTTP and `graphql-transport-ws` share.
pub(crate) fn from_fields(mut fields: Map<String, Value>) -> Result<Request, Malformed> {
    let bad = |message: &str| Malformed::new(StatusCode::BAD_REQUEST, message);
    let query = match fields.remove("query") {
        Some(Value::String(query)) => query,
        Some(_) => return Err(bad("query must be a string")),
        None => return Err(bad("query is missing")),
    };
    let mut request = Request::new(query);
    match fields.remove("operationName") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) if name.is_empty() => {}
        Some(Value::String(name)) => request = request.operation_name(name),
        Some(_) => return Err(bad("operationName must be a string")),
    }
    match fields.remove("variables") {
        None | Some(Value::Null) => {}
        Some(variables @ Value::Object(_)) => request = request.variables(Variables::from_json(variables)),
        Some(_) => return Err(bad("variables must be an object")),
    }
    match fields.remove("extensions") {
        None | Some(Value::Null | Value::Object(_)) => {}
        Some(_) => return Err(bad("extensions must be an object")),
    }
    Ok(request)
}

/// The answer to a request that was executed, or failed validation.
pub(crate) fn answer(response: &Response, media: Media) -> HttpResponse {
    // A request that was never executed has no `data` at all; one that was has it even where it is null.
    let was_refused = response.is_err() && response.errors.iter().all(|error| error.path.is_empty());
    let mut body = serde_json::to_value(response).unwrap_or_default();
    if let (true, Some(fields)) = (was_refused, body.as_object_mut()) {
        fields.remove("data");
    }
    let status = match (was_refused, media) {
        (true, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    write(status, media, &body)
}

fn write(status: StatusCode, media: Media, body: &Value) -> HttpResponse {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, media.content_type());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_first_type_that_is_known_is_taken() {
        let of = |accept| Media::accepted(&headers(header::ACCEPT, accept));
        assert_eq!(of("text/html, application/graphql-response+json;q=0.9"), Some(Media::GraphqlResponse));
        assert_eq!(of("*/*"), Some(Media::Json));
        assert_eq!(of("text/html"), None);
        assert_eq!(Media::accepted(&HeaderMap::new()), Some(Media::Json));
    }

    #[test]
    fn what_a_form_of_another_origin_can_send_is_refused() {
        let body = Bytes::from_static(br#"{"query":"{__typename}"}"#);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
        {
            let refused = from_body(&headers(header::CONTENT_TYPE, kind), &body).unwrap_err();
            assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        }
        assert!(from_body(&headers(header::CONTENT_TYPE, "application/json; charset=utf-8"), &body).is_ok());
    }

    #[test]
    fn batches_and_wrong_types_are_refused() {
        let json = headers(header::CONTENT_TYPE, "application/json");
        for body in [
            &br#"[{"query":"{__typename}"}]"#[..],
            br#"{"query":1}"#,
            br#"{}"#,
            br#"{"query":"{a}","variables":[]}"#,
            br#"{"query":"{a}","operationName":1}"#,
            br#"{"query":"{a}","extensions":"x"}"#,
            b"nonsense",
        ] {
            assert!(from_body(&json, &Bytes::copy_from_slice(body)).is_err());
        }
    }
}
