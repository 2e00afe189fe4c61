//! Every way wallet can fail, and what the caller is told.

use rpc::{Code, Refusal};
use tonic::Status;

use crate::model::LINKS_MAX;

/// Why wallet says no.
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
    /// There is none, or it is somebody else's: nobody learns which.
    #[error("you have no such wallet")]
    NotFound,
    /// The account belongs to another user.
    #[error("the account is linked to another user")]
    Taken,
    /// The user let the account go; only a proof brings it back.
    #[error("the account was unlinked from this user: it is linked again with a proof")]
    WasUnlinked,
    /// The user has the address on this chain already, as a key or as a contract.
    #[error("you have this address on this chain as another kind of account")]
    OtherKind,
    /// Without it nobody could sign in as this user any more.
    #[error("the last wallet cannot be unlinked")]
    LastWallet,
    /// The user has as many as anybody can have.
    #[error("a user has at most {LINKS_MAX} wallets")]
    TooMany,
    /// A service that was asked refuses, in words that the caller may hear.
    #[error("refused by another service")]
    Refused(Box<Status>),
    /// A service that had to be asked did not answer; the whole may be tried again.
    #[error("{0} is not available, try again")]
    Unavailable(&'static str),
    /// Somebody unlinked the account between two statements; the next attempt meets a settled state.
    #[error("the account's link changed meanwhile")]
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
        let refuse = |code, reason| Refusal::new(code, reason, err.to_string());
        let again = std::time::Duration::from_secs(1);
        match err {
            Error::Field { path, message } => Refusal::field(path, "INVALID", message).into(),
            Error::BadCursor => refuse(Code::BadInput, "BAD_CURSOR").into(),
            Error::NotFound => refuse(Code::NotFound, "NOT_FOUND").into(),
            Error::Taken => refuse(Code::Conflict, "WALLET_TAKEN").into(),
            Error::LastWallet => refuse(Code::Conflict, "LAST_WALLET").into(),
            Error::TooMany | Error::WasUnlinked | Error::OtherKind => {
                refuse(Code::Conflict, "CONFLICT").into()
            }
            Error::Refused(status) => *status,
            Error::Unavailable(_) => refuse(Code::Unavailable, "UNAVAILABLE").retry_after(again).into(),
            Error::Changed => Refusal::new(Code::Unavailable, "UNAVAILABLE", "try again").into(),
            Error::Store(err) => rpc::internal(anyhow::Error::from(err).context("the database failed")),
        }
    }
}
