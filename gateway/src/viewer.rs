//! Who is looking: the access token, checked against auth's public keys and the revocations.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use ids::{AccountId, SessionId, UserId};
use proto::common::v1::Caller;
use rpc::Code;

use crate::{
    Config, cookies,
    error::UNAUTHENTICATED,
    keys::{Keys, Missing},
    revoked::Revoked,
    token::{self, Claims, Flaw},
};

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) account_id: AccountId,
    pub(crate) roles: Vec<String>,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Viewer {
    fn new(claims: Claims) -> Result<Viewer, Refused> {
        Ok(Viewer {
            user_id: claims.sub,
            session_id: claims.sid,
            account_id: claims.acc,
            roles: claims.roles,
            expires_at: DateTime::from_timestamp(claims.exp, 0).ok_or(Refused::Invalid)?,
        })
    }

    /// The words that services know the viewer by.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            user_id: self.user_id.to_string(),
            session_id: self.session_id.to_string(),
            account_id: self.account_id.to_lower(),
            roles: self.roles.clone(),
        }
    }
}

/// Somebody whose access token has expired, who may still end their session.
#[derive(Clone, Debug)]
pub(crate) struct Departing(pub(crate) Viewer);

/// Why a token was not accepted: `Absent` is a guest, the rest is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Absent,
    Invalid,
    Expired,
    Revoked,
    /// Nobody could say: its key, or which sessions have ended, is not known while auth is away.
    Unavailable,
}

impl Refused {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Refused::Absent => "sign in first",
            Refused::Invalid => "the access token is not valid",
            Refused::Expired => "the access token has expired",
            Refused::Revoked => "the session has ended",
            Refused::Unavailable => "the access token cannot be checked just now, try again",
        }
    }
}

impl Refused {
    /// What `extensions.code` says of it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Refused::Unavailable => Code::Unavailable.as_str(),
            Refused::Absent | Refused::Invalid | Refused::Expired | Refused::Revoked => UNAUTHENTICATED,
        }
    }
}

impl From<Flaw> for Refused {
    fn from(flaw: Flaw) -> Refused {
        match flaw {
            Flaw::Invalid => Refused::Invalid,
            Flaw::Expired => Refused::Expired,
        }
    }
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Refused {
        match missing {
            Missing::Unknown => Refused::Invalid,
            Missing::Unasked => Refused::Unavailable,
        }
    }
}

/// Tells viewers from guests.
#[derive(Clone)]
pub(crate) struct Viewers {
    keys: Arc<Keys>,
    revoked: Arc<Revoked>,
    issuer: Arc<str>,
}

impl Viewers {
    pub(crate) fn new(config: &Config, keys: Arc<Keys>, revoked: Arc<Revoked>) -> Viewers {
        Viewers { keys, revoked, issuer: config.public_url.as_str().trim_end_matches('/').into() }
    }

    /// From the `Authorization` header, else from the cookie.
    pub(crate) async fn of_headers(&self, headers: &HeaderMap) -> Result<Viewer, Refused> {
        self.of_token(shown(headers)?).await
    }

    /// From the text `Bearer …`.
    pub(crate) async fn of_authorization(&self, text: &str) -> Result<Viewer, Refused> {
        self.of_token(bearer(text)?).await
    }

    pub(crate) async fn of_token(&self, token: &str) -> Result<Viewer, Refused> {
        let key = self.keys.find(&token::key_id(token)?).await?;
        let viewer = Viewer::new(token::read(token, &key, &self.issuer)?)?;
        // Before the set was ever loaded, not to be in it says nothing.
        if !self.revoked.is_loaded() {
            return Err(Refused::Unavailable);
        }
        if self.revoked.contains(viewer.session_id) { Err(Refused::Revoked) } else { Ok(viewer) }
    }

    /// Whose session a token belongs to that is good for nothing else just now.
    pub(crate) async fn departing(&self, refused: Refused, headers: &HeaderMap) -> Option<Departing> {
        if !matches!(refused, Refused::Expired | Refused::Unavailable) {
            return None;
        }
        let token = shown(headers).ok()?;
        let key = self.keys.find(&token::key_id(token).ok()?).await.ok()?;
        let claims = token::read_late(token, &key, &self.issuer).ok()?;
        Viewer::new(claims).ok().map(Departing)
    }

    pub(crate) fn is_revoked(&self, session: SessionId) -> bool {
        self.revoked.contains(session)
    }

    /// This replica ended the session itself and does not wait to be told.
    pub(crate) fn ended(&self, session: SessionId) {
        self.revoked.note(session);
    }
}

/// The viewer that a resolver needs, or the error that says to sign in.
pub(crate) fn required<'a>(context: &'a async_graphql::Context<'_>) -> async_graphql::Result<&'a Viewer> {
    context
        .data_opt::<Viewer>()
        .ok_or_else(|| crate::error::coded(UNAUTHENTICATED, Refused::Absent.message()))
}

/// The token that a request shows.
fn shown(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut said = headers.get_all(header::AUTHORIZATION).iter();
    match (said.next(), said.next()) {
        (Some(header), None) => bearer(header.to_str().map_err(|_| Refused::Invalid)?),
        // Whoever stands between us and the client might go by the other one.
        (Some(_), Some(_)) => Err(Refused::Invalid),
        (None, _) => cookies::find(headers, cookies::SESSION).ok_or(Refused::Absent),
    }
}

fn bearer(text: &str) -> Result<&str, Refused> {
    let (scheme, token) = text.split_once(' ').ok_or(Refused::Invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Refused::Invalid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_goes_before_a_cookie_and_two_headers_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(shown(&headers), Err(Refused::Absent));
        headers.insert(header::COOKIE, "__Host-vitrine_session=by-cookie".parse().unwrap());
        assert_eq!(shown(&headers), Ok("by-cookie"));
        headers.insert(header::AUTHORIZATION, "bearer by-header".parse().unwrap());
        assert_eq!(shown(&headers), Ok("by-header"));
        headers.append(header::AUTHORIZATION, "Bearer another".parse().unwrap());
        assert_eq!(shown(&headers), Err(Refused::Invalid));
        for wrong in ["Basic abc", "Bearer", "abc"] {
            headers.insert(header::AUTHORIZATION, wrong.parse().unwrap());
            assert_eq!(shown(&headers), Err(Refused::Invalid), "{wrong}");
        }
    }
}
