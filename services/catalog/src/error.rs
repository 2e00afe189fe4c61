//! Every way catalog can fail, and what the caller is told.

use rpc::{Code, Refusal};
use tonic::Status;

/// Why catalog says no.
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
    /// A page token that no page of ours ends with.
    #[error("page_token: is not one that this list gave")]
    BadCursor,
    /// There is none, or none that the caller may see.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Another intent has announced the same contract.
    #[error("the contract is announced by another intent")]
    Announced,
    /// What was signed never changes.
    #[error("an order of this hash is stored with other contents")]
    OtherOrder,
    /// Somebody changed the row between two statements; the next attempt meets a settled state.
    #[error("the row changed meanwhile")]
    Changed,
    /// A row holds what is no amount.
    #[error("a stored amount is malformed")]
    Amount,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// A row holds what no row can hold.
    #[error("a stored value is malformed")]
    Stored(#[from] ids::Invalid),
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
            Error::BadCursor => Refusal::new(Code::BadInput, "BAD_CURSOR", err.to_string()).into(),
            Error::NotFound(_) => Refusal::new(Code::NotFound, "NOT_FOUND", err.to_string()).into(),
            Error::Announced | Error::OtherOrder => {
                Refusal::new(Code::Conflict, "CONFLICT", err.to_string()).into()
            }
            Error::Changed => Refusal::new(Code::Unavailable, "UNAVAILABLE", "try again").into(),
            Error::Store(_) | Error::Stored(_) | Error::Amount => rpc::internal(err),
        }
    }
}
