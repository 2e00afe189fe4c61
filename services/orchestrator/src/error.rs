//! Every way orchestrator can fail, and what the caller is told.

use ids::Address;
use rpc::{Code, Refusal};
use tonic::Status;

use crate::{ask::Violation, model::Problem};

/// What a caller hears of at once; more would only be a large answer to a large mistake.
pub(crate) const COMPLAINTS_MAX: usize = 10;

/// Why orchestrator says no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields of the request are not what they should be.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// The wallet is somebody else's, or nobody's.
    #[error("{0} is not a wallet of yours")]
    NotYourWallet(Address),
    /// No intent of the caller has this id, or no step of it that one.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The request id was used for something else.
    #[error("this request id was used for another request")]
    RequestReused,
    /// What is asked does not fit the state of the intent.
    #[error("{0}")]
    Conflict(String),
    /// The registry does not know the chain, or does not let it be used.
    #[error("the chain is not enabled")]
    ChainDisabled,
    /// Not a contract of ours.
    #[error("{0}")]
    ContractUnknown(String),
    /// The transaction would fail, or the collection says that it must.
    #[error("{}", .0.message)]
    WillFail(Problem, Option<alloy::primitives::Bytes>),
    /// A transaction that is not the prepared one; in words, why.
    #[error("the transaction is not the prepared one: {0}")]
    Mismatch(String),
    /// Too late.
    #[error("the intent has expired")]
    Expired,
    /// A page token that no page of ours ends with.
    #[error("page_token: is not one that this list gave")]
    BadCursor,
    /// The catalog will never take this order; in words, why.
    #[error("the catalog does not take the order: {0}")]
    OrderRefused(String),
    /// Another service or the chain did not answer.
    #[error("{0} does not answer")]
    Unavailable(&'static str),
    /// Somebody answers, but does not know enough yet; in words, what is lacking.
    #[error("{0}")]
    NotYet(String),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
}

impl Error {
    /// One field that does not parse.
    pub(crate) fn field(path: &str, why: impl ToString) -> Error {
        Error::Invalid(vec![Violation { path: path.to_owned(), message: why.to_string() }])
    }

    /// What the collection or a simulation says.
    pub(crate) fn problem(problem: Problem) -> Error {
        Error::WillFail(problem, None)
    }

    /// A refusal of the API's closed list.
    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Error {
        Error::problem(Problem { code: code.to_owned(), message: message.into() })
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Status {
        let message = err.to_string();
        let refuse = |code, reason| Status::from(Refusal::new(code, reason, message.clone()));
        match err {
            Error::Invalid(violations) => {
                let refusal = Refusal::new(Code::BadInput, "VALIDATION_FAILED", message);
                let add = |refusal: Refusal, Violation { path, message }| {
                    refusal.violation(path, "INVALID", message)
                };
                violations.into_iter().take(COMPLAINTS_MAX).fold(refusal, add).into()
            }
            Error::NotYourWallet(_) => refuse(Code::Forbidden, "FORBIDDEN"),
            Error::NotFound(_) => refuse(Code::NotFound, "NOT_FOUND"),
            Error::RequestReused | Error::Conflict(_) => refuse(Code::Conflict, "CONFLICT"),
            Error::ChainDisabled => refuse(Code::Conflict, "CHAIN_DISABLED"),
            Error::ContractUnknown(_) => refuse(Code::NotFound, "CONTRACT_UNKNOWN"),
            Error::WillFail(problem, data) => {
                let refusal = Refusal::new(Code::Conflict, reason(&problem.code), message)
                    // The API shows both; the status has no other room for them.
                    .violation("revert_reason", "REVERT", problem.message);
                match data {
                    Some(data) => refusal.violation("revert_data", "REVERT", data.to_string()).into(),
                    None => refusal.into(),
                }
            }
            Error::Mismatch(_) => refuse(Code::Conflict, "TX_MISMATCH"),
            Error::OrderRefused(_) => refuse(Code::Conflict, "ORDER_INVALID"),
            Error::Expired => refuse(Code::Conflict, "INTENT_EXPIRED"),
            Error::BadCursor => refuse(Code::BadInput, "BAD_CURSOR"),
            Error::Unavailable(_) | Error::NotYet(_) => refuse(Code::Unavailable, "UNAVAILABLE"),
            Error::Store(err) => rpc::internal(anyhow::Error::from(err).context(message)),
        }
    }
}

/// The API's code, which is a word of a closed list.
fn reason(code: &str) -> &'static str {
    const KNOWN: [&str; 14] = [
        "MINT_NOT_OPEN",
        "MINT_PAUSED",
        "MINT_LIMIT_REACHED",
        "SOLD_OUT",
        "NOT_ALLOWLISTED",
        "PRICE_CHANGED",
        "INSUFFICIENT_BALANCE",
        "NOT_OWNER",
        "NOT_APPROVED",
        "ORDER_FILLED",
        "ORDER_CANCELLED",
        "ORDER_EXPIRED",
        "ORDER_INVALID",
        "SIGNATURE_INVALID",
    ];
    KNOWN.into_iter().find(|known| *known == code).unwrap_or("TX_WILL_FAIL")
}
