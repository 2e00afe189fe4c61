//! Every way in which following a chain or answering a call can fail, and what a caller is told.

use std::time::Duration;

use rpc::{Code, Refusal, Violation};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// PostgreSQL.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// MongoDB.
    #[error("the raw store failed")]
    Raw(#[from] mongodb::error::Error),
    /// MongoDB did not answer in time.
    #[error("the raw store did not answer within {0:?}")]
    RawTimeout(Duration),
    /// The chain's nodes.
    #[error(transparent)]
    Node(#[from] evm::NodeError),
    /// What the nodes said does not fit together: the chain moved while it was read, or an endpoint is wrong.
    #[error("the nodes' answers do not fit together: {0}")]
    Inconsistent(&'static str),
    /// Another worker follows the chain now.
    #[error("the lease on the chain is lost")]
    LeaseLost,
    /// The checkpoint is not where this worker left it.
    #[error("the checkpoint has moved")]
    Stale,
    /// Blocks that were far below the head when they were read cannot be taken back.
    #[error("what was told of a block is not kept any more")]
    NotRetractable,
    /// The chain has been stopped for an operator to look at.
    #[error("the chain is halted: {0}")]
    Halted(String),
    /// A row that cannot be.
    #[error("a stored row cannot be read: {0}")]
    Stored(String),
    /// The caller's fault.
    #[error("{field}: {why}")]
    BadInput {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        why: ids::Invalid,
    },
    /// The caller asks for what cannot be had, and hears why.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
}

impl Error {
    /// One field is wrong.
    pub(crate) fn field(field: &'static str, code: &'static str, message: impl Into<String>) -> Error {
        Refusal::field(field, code, message).into()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(Box::new(refusal))
    }
}

impl From<Error> for tonic::Status {
    fn from(err: Error) -> tonic::Status {
        match err {
            Error::Refused(refusal) => (*refusal).into(),
            Error::BadInput { field, why } => Refusal {
                code: Code::BadInput,
                reason: "BAD_INPUT",
                message: format!("{field}: {why}"),
                violations: vec![Violation {
                    path: field.into(),
                    code: "INVALID".into(),
                    message: why.to_string(),
                }],
                retry_after: None,
            }
            .into(),
            Error::RawTimeout(_) | Error::Raw(_) => {
                tracing::warn!(error = %err, "the raw store is not available");
                Refusal {
                    code: Code::Unavailable,
                    reason: "UNAVAILABLE",
                    message: "raw events cannot be read now".to_owned(),
                    violations: Vec::new(),
                    retry_after: Some(Duration::from_secs(1)),
                }
                .into()
            }
            other => rpc::internal(other),
        }
    }
}
