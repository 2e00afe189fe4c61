//! Every way it can fail, and what the caller is told.

use std::time::Duration;

use rpc::{Code, Refusal};
use tonic::Status;

use crate::model::Mismatch;

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A field of the request is not what it should be.
    #[error("{message}")]
    Field { path: &'static str, code: &'static str, message: String },
    /// No upload of this person has the id.
    #[error("there is no such upload")]
    NoUpload,
    /// The presigned URL has not been used.
    #[error("nothing has been uploaded yet")]
    NothingArrived,
    /// What arrived is not what was declared; a new upload is needed.
    #[error("what was uploaded is not what was declared")]
    Mismatch(Mismatch),
    /// Mongo did not do it.
    #[error("the document store does not answer")]
    Store(#[from] mongodb::error::Error),
    /// The object store did not do it.
    #[error("the object store does not answer")]
    Blob(#[from] object_store::Error),
    /// Not done in time; it goes on, and asking again finds the result.
    #[error("the upload is still being checked")]
    StillChecking,
    /// What cannot happen did.
    #[error(transparent)]
    Broken(#[from] anyhow::Error),
}

impl Error {
    pub(crate) fn field(path: &'static str, code: &'static str, message: impl Into<String>) -> Error {
        Error::Field { path, code, message: message.into() }
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Status {
        let message = err.to_string();
        match err {
            Error::Field { path, code, message } => Refusal::field(path, code, message).into(),
            Error::NoUpload => Refusal::new(Code::NotFound, "NOT_FOUND", message).into(),
            Error::NothingArrived => Refusal::new(Code::Conflict, "CONFLICT", message).into(),
            Error::Mismatch(mismatch) => Refusal::field("upload_id", mismatch.code(), message).into(),
            Error::Store(cause) if is_outage(&cause) => unavailable(message, &cause),
            Error::Store(cause) => rpc::internal(cause),
            Error::Blob(cause) => unavailable(message, &cause),
            Error::StillChecking => Refusal::new(Code::Unavailable, "UNAVAILABLE", message)
                .retry_after(Duration::from_secs(2))
                .into(),
            Error::Broken(cause) => rpc::internal(cause),
        }
    }
}

fn is_outage(err: &mongodb::error::Error) -> bool {
    use mongodb::error::ErrorKind;
    matches!(
        *err.kind,
        ErrorKind::Io(_) | ErrorKind::ServerSelection { .. } | ErrorKind::ConnectionPoolCleared { .. }
    )
}

fn unavailable(message: String, cause: &dyn std::error::Error) -> Status {
    tracing::warn!(error = %cause, "a store does not answer");
    Refusal::new(Code::Unavailable, "UNAVAILABLE", message).into()
}
