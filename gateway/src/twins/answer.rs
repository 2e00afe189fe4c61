//! What a twin answers: a reply, or a failure as `{code, message, requestId}`; cookies go along with both.

use std::time::Duration;

use axum::response::{IntoResponse, Response as HttpResponse};
use http::{HeaderValue, StatusCode, header};
use proto::auth::v1 as pb;
use rpc::Code;
use serde_json::{Value, json};
use tonic::Status;

use crate::{
    error::whole_seconds,
    schema::{
        node,
        scalar::{DateTime, moment_of},
        session::{Session, shown},
    },
    session::{Opened, Told},
};

/// Text or JSON.
pub(super) enum Body {
    Text(String),
    Json(Value),
}

/// What was asked for.
pub(super) struct Reply {
    body: Body,
    cookies: Vec<HeaderValue>,
}

impl Reply {
    pub(super) fn new(body: Body, cookies: Vec<HeaderValue>) -> Reply {
        Reply { body, cookies }
    }

    pub(super) fn written(self) -> HttpResponse {
        let (kind, text) = match self.body {
            Body::Text(text) => ("text/plain; charset=utf-8", text),
            Body::Json(value) => ("application/json", value.to_string()),
        };
        let response = ([(header::CONTENT_TYPE, kind)], text).into_response();
        with_cookies(response, self.cookies)
    }
}

/// Why it was not to be had.
pub(super) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    retry_after: Option<Duration>,
    cookies: Vec<HeaderValue>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Failure {
        let (code, message) = (code.to_owned(), message.into());
        Failure { status, code, message, retry_after: None, cookies: Vec::new() }
    }

    pub(super) fn unauthenticated(message: &str) -> Failure {
        Failure::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated.as_str(), message)
    }

    pub(super) fn with(self, cookies: Vec<HeaderValue>) -> Failure {
        Failure { cookies, ..self }
    }

    pub(super) fn written(self, request_id: &str) -> HttpResponse {
        let body = json!({ "code": self.code, "message": self.message, "requestId": request_id });
        let headers = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (self.status, headers, body.to_string()).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        with_cookies(response, self.cookies)
    }
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Failure {
        let problem = rpc::Problem::from(status);
        let http = match problem.code {
            Code::BadInput => StatusCode::BAD_REQUEST,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Conflict => StatusCode::CONFLICT,
            Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // What goes wrong on our side tells nothing of its cause.
        let (code, message) = match problem.code {
            Code::Internal => {
                (problem.code.as_str().to_owned(), "something went wrong on our side".to_owned())
            }
            Code::Unavailable => {
                (problem.code.as_str().to_owned(), "a service is not available, try again".to_owned())
            }
            Code::DeadlineExceeded => {
                (problem.code.as_str().to_owned(), "a service did not answer in time, try again".to_owned())
            }
            _ => (problem.reason, problem.message),
        };
        let comes_back = matches!(problem.code, Code::RateLimited | Code::Unavailable);
        let retry_after = problem.retry_after.or(comes_back.then_some(Duration::from_secs(1)));
        Failure { status: http, code, message, retry_after, cookies: Vec::new() }
    }
}

/// Splits what a verb told into what is written and the cookies that go along.
pub(super) fn heard<T>(told: Told<T>) -> Result<(T, Vec<HeaderValue>), Failure> {
    match told.result {
        Ok(value) => Ok((value, told.cookies)),
        Err(status) => Err(Failure::from(&status).with(told.cookies)),
    }
}

fn with_cookies(mut response: HttpResponse, cookies: Vec<HeaderValue>) -> HttpResponse {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A session with its tokens, as sign-in and refresh answer.
pub(super) fn opened(opened: &Opened) -> Result<Value, Failure> {
    Ok(json!({
        "session": session(&opened.session)?,
        "userId": node::id("User", &opened.session.user_id).0,
        "accessToken": opened.tokens.access_token,
        "accessTokenExpiresAt": written(moment_of(opened.tokens.access_expire_time.as_ref())),
        "refreshToken": opened.refresh_token(),
    }))
}

/// The session of the request, in the same words as GraphQL's.
pub(super) fn session(session: &pb::Session) -> Result<Value, Failure> {
    let malformed = |_| Failure::from(&Status::internal("a session is malformed"));
    let Session {
        id, created_at, last_used_at, expires_at, user_agent, ip_address, chain_id, account, ..
    } = shown(session, None).map_err(malformed)?;
    Ok(json!({
        "id": id.0,
        "createdAt": written(created_at),
        "lastUsedAt": written(last_used_at),
        "expiresAt": written(expires_at),
        "userAgent": user_agent,
        "ipAddress": ip_address,
        "chainId": chain_id.0.to_string(),
        "account": account.0.to_string(),
    }))
}

pub(super) fn written(moment: DateTime) -> Value {
    json!(async_graphql::ScalarType::to_value(&moment))
}
