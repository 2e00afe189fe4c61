//! Every way it can fail, and what the caller is told.

use rpc::{Code, Refusal};
use tonic::Status;

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The position is not one of ours.
    #[error("the position is not `epoch:id`")]
    BadPosition,
    /// What came after the position is gone: the stream was flushed, or its window has moved on.
    #[error("the position is outside the delivery window")]
    Expired,
    /// Redis did not answer.
    #[error("the delivery stream does not answer")]
    Store(#[from] redis::RedisError),
}

impl From<Error> for Status {
    fn from(err: Error) -> Status {
        let message = err.to_string();
        match err {
            Error::BadPosition => Refusal::new(Code::BadInput, "BAD_CURSOR", message).into(),
            Error::Expired => Refusal::new(Code::Conflict, "CURSOR_EXPIRED", message).into(),
            Error::Store(cause) => {
                tracing::warn!(error = %cause, "delivery stream unreachable");
                Refusal::new(Code::Unavailable, "UNAVAILABLE", message).into()
            }
        }
    }
}
