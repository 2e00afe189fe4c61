//! The record of attempts: who tried what, from where, and how it ended.

use std::time::Duration;

use ids::{AccountId, LoginEventId, SessionId, UserId};
use sqlx::PgPool;

use crate::{error::Error, model::Client, store};

/// A refusal is answered although it could not be recorded in this time.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);

/// What somebody tried: the words of `login_events.purpose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To open a session.
    SignIn,
    /// To prove a further account.
    Link,
    /// To go on with a session.
    Refresh,
}

impl Purpose {
    /// The word of the column.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Purpose::SignIn => "sign_in",
            Purpose::Link => "link",
            Purpose::Refresh => "refresh",
        }
    }
}

/// One attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoginEvent {
    pub(crate) id: LoginEventId,
    pub(crate) purpose: Purpose,
    pub(crate) user_id: Option<UserId>,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) account: Option<AccountId>,
    pub(crate) domain: Option<String>,
    pub(crate) result: &'static str,
    pub(crate) error: Option<String>,
}

impl LoginEvent {
    /// An attempt of which nothing is known yet; until it is, it counts as one that could not be judged.
    pub(crate) fn begun(purpose: Purpose) -> LoginEvent {
        LoginEvent {
            id: LoginEventId::new(),
            purpose,
            user_id: None,
            session_id: None,
            account: None,
            domain: None,
            result: "unavailable",
            error: None,
        }
    }

    /// Records that the attempt was refused. The refusal is the answer either way: a record that cannot be written is
    /// told in the log and changes nothing. Of a flood that a limit holds back the first refusal is recorded and the
    /// rest is counted by `auth_limited_total`: who floods must not fill the table instead.
    pub(crate) async fn refused(mut self, db: &PgPool, client: &Client, why: &Error) {
        if matches!(why, Error::RateLimited { is_first: false, .. }) {
            return;
        }
        self.result = why.result();
        self.session_id = None;
        let is_told = matches!(
            why,
            Error::Refused(_) | Error::Unavailable(_) | Error::Busy | Error::RateLimited { .. }
        );
        self.error = is_told.then(|| why.to_string());
        let recording = store::insert_login_event(db, &self, client);
        match tokio::time::timeout(RECORDED_WITHIN, recording).await {
            Ok(Ok(())) => {}
            Ok(Err(err)) => {
                tracing::error!(login.event = %self.id, error = %err, "could not record a refused attempt");
            }
            Err(_) => {
                tracing::error!(login.event = %self.id, "could not record a refused attempt in time");
            }
        }
    }
}
