//! Facts about sessions, from auth.

use chrono::{DateTime, Utc};
use ids::{AccountId, ChainId, LoginEventId, SessionId, UserId};
use serde::{Deserialize, Serialize};

use crate::{Fact, Message, exchange};

/// `user.logged_in`: an account proved itself and a session was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedIn {
    /// Who.
    pub user_id: UserId,
    /// The session that was opened.
    pub session_id: SessionId,
    /// The account that signed.
    pub account_id: AccountId,
    /// `eoa` or `contract`. Messages from before contract accounts could sign in do not say.
    #[serde(default = "eoa")]
    pub account_type: String,
    /// The chain that the message named.
    pub chain_id: ChainId,
    /// Whether this was the first time.
    pub is_new_user: bool,
    /// The row that records the attempt.
    pub login_event_id: LoginEventId,
    /// When.
    pub at: DateTime<Utc>,
}

fn eoa() -> String {
    "eoa".to_owned()
}

impl Fact for LoggedIn {
    const TYPE: &'static str = "vitrine.auth.logged-in.v1";
    const SOURCE: &'static str = "auth";
    const EXCHANGE: &'static str = exchange::AUTH;
}

/// The message for one sign-in.
pub fn logged_in(fact: &LoggedIn) -> Message {
    Message::new(format!("login/{}", fact.login_event_id), "user.logged_in".to_owned(), fact)
}

/// `session.revoked`: sessions that ended before their time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRevoked {
    /// Which.
    pub session_ids: Vec<SessionId>,
    /// Whose.
    pub user_id: UserId,
    /// `signed_out`, `revoked`, `refresh_reused`, `unlinked`, `suspended`, `role_removed`, `signature_withdrawn`.
    pub reason: String,
    /// Until when an access token of theirs could still be alive.
    pub until: DateTime<Utc>,
}

impl Fact for SessionRevoked {
    const TYPE: &'static str = "vitrine.auth.session-revoked.v1";
    const SOURCE: &'static str = "auth";
    const EXCHANGE: &'static str = exchange::AUTH;
}

/// The message for ended sessions; `revocation` is the row that records it.
pub fn session_revoked(fact: &SessionRevoked, revocation: uuid::Uuid) -> Message {
    Message::new(format!("revocation/{revocation}"), "session.revoked".to_owned(), fact)
}
