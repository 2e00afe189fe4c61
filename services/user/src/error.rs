//! Every way user can fail, and what the caller is told.

use rpc::{Code, Refusal};
use tonic::Status;

use crate::model::Wrong;

/// Why user says no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields of the request are not what they should be; never empty.
    #[error("the request has fields that cannot be used")]
    Invalid(Vec<Wrong>),
    /// A page token that no page of ours ends with.
    #[error("page_token: is not one that this list gave")]
    BadCursor,
    /// Nobody of that name.
    #[error("there is no such user")]
    NotFound,
    /// Only an admin may.
    #[error("only an admin may do this")]
    NotAdmin,
    /// Whoever is suspended or deleted changes nothing.
    #[error("your account is suspended")]
    Suspended,
    /// Somebody else has the name.
    #[error("this name is taken")]
    UsernameTaken,
    /// It changed since the caller looked.
    #[error("it was changed meanwhile: read it again")]
    Stale,
    /// The same request id with something else in it.
    #[error("this request id was used for something else")]
    OtherRequest,
    /// Nobody follows themselves.
    #[error("nobody can follow themselves")]
    Oneself,
    /// An admin does not take the role from themselves, nor suspends themselves.
    #[error("an admin cannot do this to themselves")]
    OwnStanding,
    /// Somebody has to be able to let others in.
    #[error("this is the last active admin")]
    LastAdmin,
    /// Somebody changed the account between two statements; the next attempt meets a settled state.
    #[error("the account changed meanwhile")]
    Changed,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// What is stored cannot be written as JSON, or read again.
    #[error("a stored value is malformed")]
    Stored(#[from] serde_json::Error),
}

impl Error {
    /// A field that does not parse.
    pub(crate) fn field(path: &'static str, why: impl ToString) -> Error {
        Error::Invalid(vec![Wrong::new(path, why.to_string())])
    }

    /// The failure that a named constraint stands for.
    pub(crate) fn on_constraint(err: sqlx::Error, constraint: &str, means: Error) -> Error {
        let is_that = err.as_database_error().and_then(|err| err.constraint()) == Some(constraint);
        if is_that { means } else { err.into() }
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Status {
        let said = err.to_string();
        let refuse = |code, reason| Refusal::new(code, reason, said.clone()).into();
        match err {
            Error::Invalid(wrongs) => invalid(wrongs),
            Error::BadCursor => refuse(Code::BadInput, "BAD_CURSOR"),
            Error::NotFound => refuse(Code::NotFound, "NOT_FOUND"),
            Error::NotAdmin => refuse(Code::Forbidden, "FORBIDDEN"),
            Error::Suspended => refuse(Code::Forbidden, "USER_SUSPENDED"),
            Error::UsernameTaken => refuse(Code::Conflict, "USERNAME_TAKEN"),
            Error::Stale => refuse(Code::Conflict, "STALE_VERSION"),
            Error::OtherRequest | Error::OwnStanding | Error::LastAdmin => refuse(Code::Conflict, "CONFLICT"),
            Error::Oneself => Refusal::field("user_id", "INVALID", said).into(),
            Error::Changed => Refusal::new(Code::Unavailable, "UNAVAILABLE", "try again").into(),
            Error::Store(_) | Error::Stored(_) => rpc::internal(err),
        }
    }
}

/// All complaints in one answer. The reason is the general one, unless a reserved name is all that is wrong.
fn invalid(wrongs: Vec<Wrong>) -> Status {
    let reason = match wrongs.as_slice() {
        [Wrong { code: "USERNAME_RESERVED", .. }] => "USERNAME_RESERVED",
        _ => "BAD_INPUT",
    };
    let first = wrongs.first().map(|wrong| format!("{} {}", wrong.path, wrong.message)).unwrap_or_default();
    let refusal = Refusal::new(Code::BadInput, reason, first);
    wrongs.into_iter().fold(refusal, |all, wrong| all.violation(wrong.path, wrong.code, wrong.message)).into()
}
