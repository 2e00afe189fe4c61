//! Every way auth can fail, and what the caller is told.

use std::time::Duration;

use rpc::{Code, Refusal};
use tonic::Status;

/// Why auth says no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A sign-in that is refused.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// A field of the request is not what it should be.
    #[error("{path}: {message}")]
    Field {
        /// The field, as the request names it.
        path: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Somebody asked too often.
    #[error("too many attempts, try again in {} s", retry_after.as_secs() + 1)]
    RateLimited {
        /// When the next attempt may succeed.
        retry_after: Duration,
        /// Whether it is the first refusal in a while: only that one is recorded.
        is_first: bool,
    },
    /// A service that had to be asked did not answer; the whole may be tried again.
    #[error("{0} is not available, try again")]
    Unavailable(&'static str),
    /// Too much of the same is being done; the whole may be tried again.
    #[error("too many signatures of contracts are being checked, try again")]
    Busy,
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] sqlx::Error),
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// Why a sign-in is refused: a closed list, the same in the API, in `login_events.result` and here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the message is not EIP-4361: {0}")]
    MessageMalformed(&'static str),
    #[error("the nonce was not issued here")]
    NonceUnknown,
    /// It was issued for something or somebody else; whoever asks hears no more than of one that was never issued.
    #[error("the nonce was not issued here")]
    NonceForeign,
    #[error("the nonce was used already")]
    NonceUsed,
    #[error("the nonce has expired")]
    NonceExpired,
    #[error("the message is for another domain")]
    DomainMismatch,
    #[error("the message's URI is not of this site")]
    UriMismatch,
    #[error("the nonce was issued for another chain")]
    ChainMismatch,
    #[error("the chain is not enabled")]
    ChainDisabled,
    #[error("the message has expired")]
    MessageExpired,
    #[error("the message is not valid yet")]
    MessageNotYetValid,
    #[error("the signature is not the account's")]
    SignatureInvalid,
    #[error("the user is suspended")]
    UserSuspended,
    /// Somebody has a copy of the token; the session was ended.
    #[error("the refresh token was used before, the session was ended")]
    RefreshReused,
    /// Unknown, past its end, or of a session that ended: whoever asks hears no more. Not a result that is recorded.
    #[error("the refresh token is not good any more")]
    RefreshExpired,
}

impl Refused {
    /// The API's word and the word of `login_events.result`.
    pub(crate) const fn words(&self) -> (&'static str, &'static str) {
        match self {
            Refused::MessageMalformed(_) => ("MESSAGE_MALFORMED", "message_malformed"),
            Refused::NonceUnknown => ("NONCE_UNKNOWN", "nonce_unknown"),
            Refused::NonceForeign => ("NONCE_UNKNOWN", "nonce_foreign"),
            Refused::NonceUsed => ("NONCE_USED", "nonce_used"),
            Refused::NonceExpired => ("NONCE_EXPIRED", "nonce_expired"),
            Refused::DomainMismatch => ("DOMAIN_MISMATCH", "domain_mismatch"),
            Refused::UriMismatch => ("URI_MISMATCH", "uri_mismatch"),
            Refused::ChainMismatch => ("CHAIN_MISMATCH", "chain_mismatch"),
            Refused::ChainDisabled => ("CHAIN_DISABLED", "chain_disabled"),
            Refused::MessageExpired => ("MESSAGE_EXPIRED", "message_expired"),
            Refused::MessageNotYetValid => ("MESSAGE_NOT_YET_VALID", "message_not_yet_valid"),
            Refused::SignatureInvalid => ("SIGNATURE_INVALID", "signature_invalid"),
            Refused::RefreshReused => ("REFRESH_REUSED", "refresh_reused"),
            Refused::RefreshExpired => ("REFRESH_EXPIRED", "refresh_expired"),
            Refused::UserSuspended => ("USER_SUSPENDED", "user_suspended"),
        }
    }
}

impl Error {
    /// A field that does not parse.
    pub(crate) fn field(path: &'static str, why: impl ToString) -> Error {
        Error::Field { path, message: why.to_string() }
    }

    /// The word of `login_events.result`.
    pub(crate) const fn result(&self) -> &'static str {
        match self {
            Error::Refused(refused) => refused.words().1,
            Error::RateLimited { .. } => "rate_limited",
            _ => "unavailable",
        }
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Status {
        match err {
            Error::Refused(refused) => {
                let code = match refused {
                    Refused::UserSuspended => Code::Forbidden,
                    Refused::RefreshReused | Refused::RefreshExpired => Code::Unauthenticated,
                    _ => Code::BadInput,
                };
                Refusal::new(code, refused.words().0, refused.to_string()).into()
            }
            Error::Field { path, message } => Refusal::field(path, "INVALID", message).into(),
            Error::RateLimited { retry_after, .. } => {
                Refusal::new(Code::RateLimited, "RATE_LIMITED", err.to_string())
                    .retry_after(retry_after)
                    .into()
            }
            Error::Unavailable(_) | Error::Busy => {
                // Who is away is for the record and the log; the caller can do nothing with it.
                let message = "something that is needed does not answer, try again";
                let after = Duration::from_secs(1);
                Refusal::new(Code::Unavailable, "UNAVAILABLE", message).retry_after(after).into()
            }
            Error::Store(err) => rpc::internal(anyhow::Error::from(err).context("the database failed")),
            Error::Token(err) => {
                rpc::internal(anyhow::Error::from(err).context("the token could not be signed"))
            }
        }
    }
}
