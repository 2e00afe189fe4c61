//! Who is looking: the access token, checked against auth's public keys and the revocations.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use ids::{AccountId, SessionId, UserId};
use jsonwebtoken::{Algorithm, Validation};
use proto::common::v1::Caller;
use serde::Deserialize;

use crate::{Config, error::UNAUTHENTICATED, keys::Keys, revoked::Revoked};

/// The cookie that browsers carry instead of a header.
pub(crate) const SESSION_COOKIE: &str = "__Host-vitrine_session";
/// Makes a browser forget it.
pub(crate) const FORGET_SESSION: &str =
    "__Host-vitrine_session=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";

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

/// Why a token was not accepted: `Absent` is a guest, the rest is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Absent,
    Invalid,
    Expired,
    Revoked,
}

impl Refused {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Refused::Absent => "sign in first",
            Refused::Invalid => "the access token is not valid",
            Refused::Expired => "the access token has expired",
            Refused::Revoked => "the session has ended",
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    sid: SessionId,
    acc: AccountId,
    #[serde(default)]
    roles: Vec<String>,
    exp: i64,
}

/// Tells viewers from guests.
#[derive(Clone)]
pub(crate) struct Viewers {
    keys: Arc<Keys>,
    revoked: Arc<Revoked>,
    issuer: String,
}

impl Viewers {
    pub(crate) fn new(config: &Config, keys: Arc<Keys>, revoked: Arc<Revoked>) -> Viewers {
        let issuer = config.public_url.as_str().trim_end_matches('/').to_owned();
        Viewers { keys, revoked, issuer }
    }

    /// From the `Authorization` header, else from the cookie.
    pub(crate) async fn of_headers(&self, headers: &HeaderMap) -> Result<Viewer, Refused> {
        if let Some(header) = headers.get(header::AUTHORIZATION) {
            return self.of_authorization(header.to_str().map_err(|_| Refused::Invalid)?).await;
        }
        match cookie(headers, SESSION_COOKIE) {
            Some(token) => self.of_token(token).await,
            None => Err(Refused::Absent),
        }
    }

    /// From the text `Bearer …`.
    pub(crate) async fn of_authorization(&self, text: &str) -> Result<Viewer, Refused> {
        let (scheme, token) = text.split_once(' ').ok_or(Refused::Invalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Invalid);
        }
        self.of_token(token.trim()).await
    }

    pub(crate) async fn of_token(&self, token: &str) -> Result<Viewer, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Invalid)?;
        // The algorithm is ours, never the token's; the type tells an access token from whatever else is signed.
        if header.alg != Algorithm::RS256 || header.typ.as_deref() != Some("at+jwt") {
            return Err(Refused::Invalid);
        }
        let key_id = header.kid.ok_or(Refused::Invalid)?;
        let key = self.keys.find(&key_id).await.ok_or(Refused::Invalid)?;

        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 30;
        validation.set_audience(&["vitrine"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let token =
            jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|err| match err.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => Refused::Expired,
                _ => Refused::Invalid,
            })?;
        let claims = token.claims;
        if self.revoked.contains(claims.sid) {
            return Err(Refused::Revoked);
        }
        Ok(Viewer {
            user_id: claims.sub,
            session_id: claims.sid,
            account_id: claims.acc,
            roles: claims.roles,
            expires_at: DateTime::from_timestamp(claims.exp, 0).ok_or(Refused::Invalid)?,
        })
    }

    pub(crate) fn is_revoked(&self, session: SessionId) -> bool {
        self.revoked.contains(session)
    }
}

/// The viewer that a resolver needs, or the error that says to sign in.
pub(crate) fn required<'a>(context: &'a async_graphql::Context<'_>) -> async_graphql::Result<&'a Viewer> {
    context
        .data_opt::<Viewer>()
        .ok_or_else(|| crate::error::coded(UNAUTHENTICATED, Refused::Absent.message()))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            "a=1; x__Host-vitrine_session=2; __Host-vitrine_session=3".parse().unwrap(),
        );
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("3"));
        assert_eq!(cookie(&headers, "b"), None);
    }
}
