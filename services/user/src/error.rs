//! Every way user can fail, and what the caller is told.

use rpc::{Code, Refusal};
use tonic::Status;

/// Why user says no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A field of the request is not what it should be.
    #[error("{path}: {message}")]
    Field {
        /// The field, as the request names it.
        path: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Nobody of that name.
    #[error("there is no such user")]
    NotFound,
    /// Somebody changed the account between two statements; the next attempt meets a settled state.
    #[error("the account changed meanwhile")]
    Changed,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

impl Error {
    /// A field that does not parse.
    pub(crate) fn field(path: &'static str, why: impl ToString) -> Error {
        Error::Field { path, message: why.to_string() }
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Status {
        match err {
            Error::Field { path, message } => Refusal::field(path, "INVALID", message).into(),
            Error::NotFound => Refusal::new(Code::NotFound, "NOT_FOUND", Error::NotFound.to_string()).into(),
            Error::Changed => Refusal::new(Code::Unavailable, "UNAVAILABLE", "try again").into(),
            Error::Store(err) => rpc::internal(anyhow::Error::from(err).context("the database failed")),
        }
    }
}
