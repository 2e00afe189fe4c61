//! The one mapping between what went wrong and what travels: a [`Refusal`] becomes a `Status` with `google.rpc`
//! details, and a `Status` that comes back becomes a [`Problem`].
use std::{collections::HashMap, time::Duration};

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

const DOMAIN: &str = "vitrine";
/// When a call that met no database may be made again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The kinds of failure that a caller can tell apart. Nine on purpose: what needs more detail has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    BadInput,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    RateLimited,
    Unavailable,
    DeadlineExceeded,
    Internal,
}

impl Code {
    /// The name that the API shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadInput => "BAD_INPUT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }

    fn to_wire(self) -> tonic::Code {
        match self {
            Self::BadInput => tonic::Code::InvalidArgument,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::Conflict => tonic::Code::FailedPrecondition,
            Self::RateLimited => tonic::Code::ResourceExhausted,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::DeadlineExceeded => tonic::Code::DeadlineExceeded,
            Self::Internal => tonic::Code::Internal,
        }
    }

    fn from_wire(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Self::BadInput,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::Forbidden,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::AlreadyExists | tonic::Code::FailedPrecondition | tonic::Code::Aborted => {
                Self::Conflict
            }
            tonic::Code::ResourceExhausted => Self::RateLimited,
            tonic::Code::Unavailable | tonic::Code::Unimplemented => Self::Unavailable,
            tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Self::DeadlineExceeded,
            tonic::Code::Ok | tonic::Code::Unknown | tonic::Code::Internal | tonic::Code::DataLoss => {
                Self::Internal
            }
        }
    }
}

/// One thing that is wrong with one field of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, as the request names it: `chain_id`, `recipients[2].address`.
    pub path: String,
    /// A short upper-case word for programs: `TOO_LONG`, `INVALID`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// Why a service says no, in words that the caller may hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub reason: &'static str,
    pub message: String,
    pub violations: Vec<Violation>,
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), violations: Vec::new(), retry_after: None }
    }

    /// The common case of bad input: one field, one complaint.
    pub fn field(path: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(Code::BadInput, "BAD_INPUT", message.clone()).violation(path, code, message)
    }

    pub fn violation(
        mut self,
        path: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.violations.push(Violation { path: path.into(), code: code.into(), message: message.into() });
        self
    }

    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(refusal.reason, DOMAIN, HashMap::new());
        if !refusal.violations.is_empty() {
            // BadRequest has a field and a description; the machine's word goes in front of the sentence.
            for Violation { path, code, message } in &refusal.violations {
                details.add_bad_request_violation(path, format!("{code}: {message}"));
            }
        }
        if let Some(after) = refusal.retry_after {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(refusal.code.to_wire(), refusal.message, details)
    }
}

/// An unexpected failure: the chain of causes is logged here, once, and the caller hears only that it happened, or, where
/// it was the database that was away or busy, that the same call may work in a moment.
pub fn internal(err: impl Into<anyhow::Error>) -> Status {
    let err: anyhow::Error = err.into();
    if err.chain().any(is_database_away) {
        tracing::warn!(error = %format!("{err:#}"), "the database is away");
        let message = "something that is needed does not answer, try again";
        return Refusal::new(Code::Unavailable, "UNAVAILABLE", message).retry_after(AGAIN_AFTER).into();
    }
    tracing::error!(error = %format!("{err:#}"), "call failed unexpectedly");
    Refusal::new(Code::Internal, "INTERNAL", "internal error").into()
}

/// No connection, or a server that stops, starts or has no room: nothing is known to be wrong with the call.
fn is_database_away(cause: &(dyn std::error::Error + 'static)) -> bool {
    match cause.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
        Some(sqlx::Error::Database(err)) => {
            err.code().is_some_and(|code| ["08", "53", "57P"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

/// What a called service answered, read back from its `Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub reason: String,
    pub message: String,
    pub violations: Vec<Violation>,
    pub retry_after: Option<Duration>,
}

impl From<&Status> for Problem {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let code = Code::from_wire(status.code());
        let reason = match details.error_info() {
            Some(info) if info.domain == DOMAIN => info.reason.clone(),
            _ => code.as_str().to_owned(),
        };
        let violations = details.bad_request().map(|b| b.field_violations.iter().map(read).collect());
        Self {
            code,
            reason,
            message: status.message().to_owned(),
            violations: violations.unwrap_or_default(),
            retry_after: details.retry_info().and_then(|r| r.retry_delay),
        }
    }
}

fn read(field: &FieldViolation) -> Violation {
    let (code, message) = field.description.split_once(": ").unwrap_or(("INVALID", &field.description));
    Violation { path: field.field.clone(), code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_no_bug_and_the_call_may_be_made_again() {
        let away = anyhow::Error::from(sqlx::Error::PoolTimedOut).context("the database failed");
        let problem = Problem::from(&internal(away));
        assert_eq!((problem.code, problem.retry_after), (Code::Unavailable, Some(AGAIN_AFTER)));
        let bug = Problem::from(&internal(anyhow::Error::from(sqlx::Error::RowNotFound)));
        assert_eq!((bug.code, bug.message.as_str()), (Code::Internal, "internal error"));
    }
}
