//! The rule of rotation, without store or clock: what a refresh token that somebody presents is worth.
//!
//! A token is used once and leaves one successor. Presented again it means one of two things: the answer was lost on
//! its way and its owner asks again, or somebody else has a copy. Within the grace, and from the same device, it counts
//! as the first: the answer is the token that is live now, which the owner would have, never a sibling of it. Otherwise
//! it counts as the second, and the whole session ends.

use chrono::{DateTime, TimeDelta, Utc};

/// How long an answer that was lost can be asked for again.
pub(crate) const GRACE: TimeDelta = TimeDelta::seconds(10);
/// How many successors in a row a repetition is led along. Whoever rotates more often within the grace retries nothing.
pub(crate) const CHAIN_MAX: usize = 16;

/// How a session stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) is_revoked: bool,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) absolute_expires_at: DateTime<Utc>,
}

/// A token of a family.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) used: Option<Used>,
}

/// The one use of a token.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    pub(crate) at: DateTime<Utc>,
    pub(crate) fingerprint: String,
    /// Whether the successor can still be told.
    pub(crate) is_repeatable: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The token is used up, and its successor begins.
    Rotate,
    /// The live token, so many successors further on, is told again; nothing is new.
    Repeat(usize),
    /// Somebody has a copy: the session ends.
    Reused,
    /// The session or the token is past its end.
    Expired,
}

/// Judges the first token of a chain; behind it are its successors, each the one of the token before.
pub(crate) fn judge(life: &Life, chain: &[Token], fingerprint: &str, now: DateTime<Utc>) -> Outcome {
    if life.is_revoked || now >= life.expires_at || now >= life.absolute_expires_at {
        return Outcome::Expired;
    }
    let is_retry =
        |token: &&Token| token.used.as_ref().is_some_and(|used| is_in_grace(used, fingerprint, now));
    let steps = chain.iter().take_while(is_retry).count();
    match chain.get(steps) {
        Some(token) if token.used.is_some() => Outcome::Reused,
        Some(token) if now >= token.expires_at => Outcome::Expired,
        Some(_) if steps == 0 => Outcome::Rotate,
        Some(_) => Outcome::Repeat(steps),
        None => Outcome::Reused,
    }
}

/// A clock that was set back makes a use lie in the future; as far as the grace goes that is no reason for suspicion.
fn is_in_grace(used: &Used, fingerprint: &str, now: DateTime<Utc>) -> bool {
    used.is_repeatable && used.fingerprint == fingerprint && (now - used.at).abs() < GRACE
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
