//! Expected failures, as data: what a caller did that cannot be done, and why.

use async_graphql::{Enum, Error, Interface, SimpleObject};
use rpc::Code;
use tonic::Status;

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
    MintLimitReached,
    SoldOut,
    NotAllowlisted,
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
            Problem::TxWillFail(TxWillFailProblem { code, revert_reason: Some(message.clone()), message })
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

fn foretells_failure(code: ProblemCode) -> bool {
    use ProblemCode::{MintLimitReached, MintNotOpen, NotAllowlisted, SoldOut, TxWillFail};
    matches!(code, MintNotOpen | MintLimitReached | SoldOut | NotAllowlisted | TxWillFail)
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
    fn a_path_of_a_proto_becomes_one_of_the_api() {
        let read = violation(rpc::Violation {
            path: "stages[0].max_per_wallet".into(),
            code: "TOO_LARGE".into(),
            message: "…".into(),
        });
        assert_eq!(read.path, ["stages", "0", "maxPerWallet"]);
    }
}
