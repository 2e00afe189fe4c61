//! Every way chain-registry can fail, and what the caller is told.

use ids::ChainId;
use rpc::{Code, Refusal};
use tonic::Status;

use crate::model::{Violation, violation};

/// Why chain-registry says no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields of the request are not what they should be.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// No such chain.
    #[error("chain {0} is not known")]
    ChainUnknown(ChainId),
    /// Somebody else wrote since the caller read.
    #[error("the registry is at version {current}, not at {expected}")]
    Stale {
        /// What the caller has read.
        expected: u64,
        /// What it is.
        current: u64,
    },
    /// Neither an operator nor an admin.
    #[error("only operators and admins may change the registry")]
    NotAllowed,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

impl Error {
    /// One field that does not parse.
    pub(crate) fn field(path: &str, why: impl ToString) -> Error {
        Error::Invalid(vec![violation(path, why)])
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Status {
        let message = err.to_string();
        match err {
            Error::Invalid(violations) => {
                let refusal = Refusal::new(Code::BadInput, "VALIDATION_FAILED", message);
                let add = |refusal: Refusal, Violation { path, message }| {
                    refusal.violation(path, "INVALID", message)
                };
                violations.into_iter().fold(refusal, add).into()
            }
            Error::ChainUnknown(_) => Refusal::new(Code::NotFound, "NOT_FOUND", message).into(),
            Error::Stale { .. } => Refusal::new(Code::Conflict, "CONFLICT", message).into(),
            Error::NotAllowed => Refusal::new(Code::Forbidden, "FORBIDDEN", message).into(),
            Error::Store(err) => rpc::internal(anyhow::Error::from(err).context(message)),
        }
    }
}
