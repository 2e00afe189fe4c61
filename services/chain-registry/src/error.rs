//! Every way chain-registry can fail, and what the caller is told.

use std::time::Duration;

use evm::NodeError;
use ids::ChainId;
use rpc::{Code, Refusal};
use tonic::Status;

use crate::model::{Violation, violation};

/// When a chain, or an object store, that did not answer may be asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why chain-registry says no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields of the request are not what they should be.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// No such chain.
    #[error("chain {0} is not known")]
    ChainUnknown(ChainId),
    /// The chain is there and switched off.
    #[error("chain {0} is not enabled")]
    ChainDisabled(ChainId),
    /// No such contract.
    #[error("the contract is not registered")]
    ContractUnknown,
    /// A chain holds as many contracts as it may.
    #[error("chain {0} has as many contracts as it may have")]
    TooManyContracts(ChainId),
    /// No such interface.
    #[error("no interface has this hash")]
    AbiUnknown,
    /// Somebody else wrote since the caller read.
    #[error("the registry is at version {current}, not at {expected}")]
    Stale {
        /// What the caller has read.
        expected: u64,
        /// What it is.
        current: u64,
    },
    /// Neither an operator nor an admin.
    #[error("only operators and admins may do this")]
    NotAllowed,
    /// All streams that this process serves are taken.
    #[error("too many streams are open")]
    TooManyWatchers,
    /// No endpoint of the chain answers.
    #[error("chain {chain_id} does not answer")]
    ChainAway {
        /// Which.
        chain_id: ChainId,
        /// Why, as far as it was just asked.
        source: Option<NodeError>,
    },
    /// The object store failed, or has other bytes than it was given.
    #[error("the object store failed")]
    Blob(#[source] anyhow::Error),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// A part of this process failed.
    #[error("a task failed")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    /// One field that does not parse.
    pub(crate) fn field(path: &str, why: impl ToString) -> Error {
        Error::Invalid(vec![violation(path, why)])
    }

    /// The chain was asked in vain.
    pub(crate) fn away(chain_id: ChainId) -> impl Fn(NodeError) -> Error {
        move |err| Error::ChainAway { chain_id, source: Some(err) }
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
            Error::ChainUnknown(_) | Error::ContractUnknown | Error::AbiUnknown => {
                Refusal::new(Code::NotFound, "NOT_FOUND", message).into()
            }
            Error::ChainDisabled(_) => Refusal::new(Code::Conflict, "CHAIN_DISABLED", message).into(),
            Error::TooManyContracts(_) => Refusal::new(Code::Conflict, "TOO_MANY_CONTRACTS", message).into(),
            Error::Stale { .. } => Refusal::new(Code::Conflict, "STALE_VERSION", message).into(),
            Error::NotAllowed => Refusal::new(Code::Forbidden, "FORBIDDEN", message).into(),
            Error::TooManyWatchers => {
                Refusal::new(Code::RateLimited, "RATE_LIMITED", message).retry_after(AGAIN_AFTER).into()
            }
            Error::ChainAway { chain_id, source } => {
                if let Some(err) = source {
                    tracing::warn!(chain.id = %chain_id, error = %err, "a chain does not answer");
                }
                Refusal::new(Code::Unavailable, "UNAVAILABLE", message).retry_after(AGAIN_AFTER).into()
            }
            Error::Blob(err) => {
                tracing::error!(error = %format!("{err:#}"), "the object store failed");
                Refusal::new(Code::Unavailable, "UNAVAILABLE", message).retry_after(AGAIN_AFTER).into()
            }
            Error::Store(err) => rpc::internal(anyhow::Error::from(err).context(message)),
            Error::Task(err) => rpc::internal(anyhow::Error::from(err).context(message)),
        }
    }
}
