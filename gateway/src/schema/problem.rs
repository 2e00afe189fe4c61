//! Expected failures, as data: what a caller did that cannot be done, and why.

use async_graphql::{Enum, Error, Interface, SimpleObject};
use rpc::Code;
use tonic::Status;

use super::scalar::{Hex, text};
use crate::error::failed;

/// Why something expected went wrong: a closed list, shared with the services' reasons.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemCode {
    ValidationFailed,
    NotFound,
    Forbidden,
    Conflict,
    StaleVersion,
    UsernameTaken,
    UsernameReserved,
    WalletTaken,
    LastWallet,
    UserSuspended,
    ChainDisabled,
    ContractUnknown,
    MintNotOpen,
    MintPaused,
    MintLimitReached,
    SoldOut,
    NotAllowlisted,
    /// It costs something else than you were shown.
    PriceChanged,
    InsufficientBalance,
    NotOwner,
    /// The exchange may not move what is to be paid or handed over.
    NotApproved,
    OrderFilled,
    OrderCancelled,
    OrderExpired,
    /// The exchange does not take the order as it is.
    OrderInvalid,
    TxWillFail,
    TxMismatch,
    IntentExpired,
    NonceUnknown,
    NonceUsed,
    NonceExpired,
    SignatureInvalid,
    DomainMismatch,
    UriMismatch,
    ChainMismatch,
    MessageMalformed,
    MessageExpired,
    MessageNotYetValid,
    RefreshReused,
    RefreshExpired,
    MediaTooLarge,
    MediaTypeNotAllowed,
}

impl ProblemCode {
    /// The code that a service's reason names.
    pub(crate) fn from_reason(reason: &str) -> Option<ProblemCode> {
        let named = async_graphql::Name::new(reason);
        async_graphql::resolver_utils::parse_enum(async_graphql::Value::Enum(named)).ok()
    }
}

/// Something expected that went wrong.
#[derive(Interface, Clone)]
#[graphql(
    field(name = "code", ty = "&ProblemCode", desc = "Which of the list."),
    field(name = "message", ty = "&String", desc = "In words, for people.")
)]
pub(crate) enum Problem {
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
    Forbidden(ForbiddenProblem),
    Conflict(ConflictProblem),
    Siwe(SiweProblem),
    TxWillFail(TxWillFailProblem),
}

/// The input cannot be used.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ValidationProblem {
    code: ProblemCode,
    message: String,
    /// Each field that is wrong.
    violations: Vec<Violation>,
}

impl ValidationProblem {
    /// One field that is wrong.
    pub(crate) fn field(path: &str, message: &str) -> ValidationProblem {
        let code = "INVALID".to_owned();
        let violation = Violation { path: vec![path.to_owned()], code, message: message.to_owned() };
        let message = format!("{path} {message}");
        ValidationProblem { code: ProblemCode::ValidationFailed, message, violations: vec![violation] }
    }

    /// The same for a client that does not know the message which the fields travelled in.
    pub(crate) fn without(mut self, message: &str) -> ValidationProblem {
        for violation in &mut self.violations {
            if violation.path.len() > 1 && violation.path[0] == message {
                violation.path.remove(0);
            }
        }
        self
    }
}

/// A version that a change expects, for the wire, where zero is any.
pub(crate) fn version(field: &str, expected: Option<i64>) -> Result<i64, ValidationProblem> {
    match expected {
        None => Ok(0),
        Some(version) if version > 0 => Ok(version),
        Some(_) => Err(ValidationProblem::field(field, "must be a version that was read")),
    }
}

/// One thing that is wrong with one field.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Violation {
    /// The way to the field: `["stages", "0", "price"]`.
    path: Vec<String>,
    /// A word for programs.
    code: String,
    /// In words, for people.
    message: String,
}

/// What was named does not exist, or is not yours.
#[derive(SimpleObject, Clone)]
pub(crate) struct NotFoundProblem {
    code: ProblemCode,
    message: String,
}

impl NotFoundProblem {
    /// For an id that cannot name such a thing: answered as one that names nothing.
    pub(crate) fn of(what: &str) -> NotFoundProblem {
        NotFoundProblem { code: ProblemCode::NotFound, message: format!("there is no such {what}") }
    }
}

/// You may not do this.
#[derive(SimpleObject, Clone)]
pub(crate) struct ForbiddenProblem {
    code: ProblemCode,
    message: String,
}

/// It collides with what is there: a key that was used with another body, a state that does not allow it.
#[derive(SimpleObject, Clone)]
pub(crate) struct ConflictProblem {
    code: ProblemCode,
    message: String,
}

/// The sign-in was refused; the code tells which check failed.
#[derive(SimpleObject, Clone)]
pub(crate) struct SiweProblem {
    code: ProblemCode,
    message: String,
}

/// The chain would refuse the transaction as things stand.
#[derive(SimpleObject, Clone)]
pub(crate) struct TxWillFailProblem {
    code: ProblemCode,
    message: String,
    /// What the contract said, where it said something.
    revert_reason: Option<String>,
    /// The same as it came from the chain: the ABI encoding of the contract's error.
    revert_data: Option<Hex>,
}

impl TxWillFailProblem {
    /// The status has no room for what the contract said but among the fields that are wrong.
    fn new(code: ProblemCode, message: String, said: &[rpc::Violation]) -> TxWillFailProblem {
        let find = |path: &str| said.iter().find(|part| part.path == path).map(|part| part.message.as_str());
        TxWillFailProblem {
            code,
            message,
            revert_reason: find("revert_reason").and_then(text),
            revert_data: find("revert_data").and_then(|data| data.parse().ok()),
        }
    }
}

/// The problem that a failed call tells of, or the error that it is.
pub(crate) fn expected(status: &Status) -> Result<Problem, Error> {
    let problem = rpc::Problem::from(status);
    let named = ProblemCode::from_reason(&problem.reason);
    let message = problem.message;
    Ok(match (problem.code, named) {
        (Code::BadInput, named) => Problem::Validation(ValidationProblem {
            code: named.unwrap_or(ProblemCode::ValidationFailed),
            message,
            violations: problem.violations.into_iter().map(violation).collect(),
        }),
        (Code::NotFound, named) => {
            Problem::NotFound(NotFoundProblem { code: named.unwrap_or(ProblemCode::NotFound), message })
        }
        (Code::Forbidden, named) => {
            Problem::Forbidden(ForbiddenProblem { code: named.unwrap_or(ProblemCode::Forbidden), message })
        }
        (Code::Conflict, Some(code)) if foretells_failure(code) => {
            Problem::TxWillFail(TxWillFailProblem::new(code, message, &problem.violations))
        }
        (Code::Conflict, named) => {
            Problem::Conflict(ConflictProblem { code: named.unwrap_or(ProblemCode::Conflict), message })
        }
        _ => return Err(failed(status)),
    })
}

/// The problem of a sign-in that was refused.
pub(crate) fn siwe(status: &Status) -> Result<SiweProblem, Error> {
    let problem = rpc::Problem::from(status);
    match (problem.code, ProblemCode::from_reason(&problem.reason)) {
        (
            Code::BadInput | Code::Unauthenticated | Code::Conflict | Code::NotFound | Code::Forbidden,
            Some(code),
        ) => Ok(SiweProblem { code, message: problem.message }),
        (Code::BadInput, None) => {
            Ok(SiweProblem { code: ProblemCode::MessageMalformed, message: problem.message })
        }
        _ => Err(failed(status)),
    }
}

/// Whether a call was refused for its signed message, rather than for what it asked.
pub(crate) fn is_of_siwe(status: &Status) -> bool {
    use ProblemCode::{
        ChainDisabled, ChainMismatch, DomainMismatch, MessageExpired, MessageMalformed, MessageNotYetValid,
        NonceExpired, NonceUnknown, NonceUsed, SignatureInvalid, UriMismatch,
    };
    let code = ProblemCode::from_reason(&rpc::Problem::from(status).reason);
    matches!(
        code,
        Some(
            ChainDisabled
                | ChainMismatch
                | DomainMismatch
                | MessageExpired
                | MessageMalformed
                | MessageNotYetValid
                | NonceExpired
                | NonceUnknown
                | NonceUsed
                | SignatureInvalid
                | UriMismatch
        )
    )
}

/// Whether the code says that the chain would refuse what is asked.
fn foretells_failure(code: ProblemCode) -> bool {
    use ProblemCode::{
        InsufficientBalance, MintLimitReached, MintNotOpen, MintPaused, NotAllowlisted, NotApproved,
        NotOwner, OrderCancelled, OrderExpired, OrderFilled, OrderInvalid, PriceChanged, SignatureInvalid,
        SoldOut, TxWillFail,
    };
    matches!(
        code,
        InsufficientBalance
            | MintLimitReached
            | MintNotOpen
            | MintPaused
            | NotAllowlisted
            | NotApproved
            | NotOwner
            | OrderCancelled
            | OrderExpired
            | OrderFilled
            | OrderInvalid
            | PriceChanged
            | SignatureInvalid
            | SoldOut
            | TxWillFail
    )
}

fn violation(violation: rpc::Violation) -> Violation {
    let path =
        violation.path.split(['.', '[', ']']).filter(|part| !part.is_empty()).map(camel_case).collect();
    Violation { path, code: violation.code, message: violation.message }
}

/// Services name fields as protos do; clients know them as GraphQL does.
fn camel_case(snake: &str) -> String {
    let mut upper = false;
    let mut name = String::with_capacity(snake.len());
    for letter in snake.chars() {
        match (letter, upper) {
            ('_', _) => upper = true,
            (letter, true) => {
                name.extend(letter.to_uppercase());
                upper = false;
            }
            (letter, false) => name.push(letter),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_services_are_codes_of_the_api() {
        assert_eq!(ProblemCode::from_reason("NONCE_USED"), Some(ProblemCode::NonceUsed));
        assert_eq!(ProblemCode::from_reason("SOMETHING_ELSE"), None);
    }

    #[test]
    fn what_the_chain_would_refuse_tells_what_the_contract_said() {
        for reason in ["MINT_PAUSED", "PRICE_CHANGED", "INSUFFICIENT_BALANCE", "NOT_OWNER", "NOT_APPROVED"]
            .into_iter()
            .chain(["ORDER_FILLED", "ORDER_CANCELLED", "ORDER_EXPIRED", "ORDER_INVALID", "SIGNATURE_INVALID"])
        {
            let refusal = rpc::Refusal::new(Code::Conflict, reason, "no");
            let refusal = refusal.violation("revert_reason", "REVERT", "StageSoldOut(10, 10)");
            let refusal = refusal.violation("revert_data", "REVERT", "0x0102");
            let Ok(Problem::TxWillFail(problem)) = expected(&refusal.into()) else { panic!("{reason}") };
            assert_eq!(Some(problem.code), ProblemCode::from_reason(reason));
            assert_eq!(problem.revert_reason.as_deref(), Some("StageSoldOut(10, 10)"));
            assert_eq!(problem.revert_data, Some(Hex(vec![1, 2])));
        }
        let silent = rpc::Refusal::new(Code::Conflict, "NOT_APPROVED", "no").into();
        let Ok(Problem::TxWillFail(silent)) = expected(&silent) else { panic!("no such problem") };
        assert_eq!((silent.revert_reason, silent.revert_data), (None, None));
    }

    #[test]
    fn a_version_that_is_gone_is_a_conflict_of_its_own_code() {
        let stale = rpc::Refusal::new(Code::Conflict, "STALE_VERSION", "no").into();
        let Ok(Problem::Conflict(problem)) = expected(&stale) else { panic!("no such problem") };
        assert_eq!(problem.code, ProblemCode::StaleVersion);
    }

    #[test]
    fn a_path_of_a_proto_becomes_one_of_the_api() {
        let read = violation(rpc::Violation {
            path: "stages[0].max_per_wallet".into(),
            code: "TOO_LARGE".into(),
            message: "…".into(),
        });
        assert_eq!(read.path, ["stages", "0", "maxPerWallet"]);
    }
}
