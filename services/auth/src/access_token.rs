//! Access tokens: who the bearer is, for a quarter of an hour, signed with RS256.

use chrono::{DateTime, Utc};
use ids::{AccountId, SessionId, UserId};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use uuid::Uuid;

use crate::{error::Error, signing_key::Keyring};

/// For whom tokens are made.
const AUDIENCE: &str = "vitrine";

/// Signs tokens in the fleet's name.
#[derive(Clone)]
pub(crate) struct Issuer {
    issuer: String,
    keys: Keyring,
}

/// What a token says.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'static str,
    sub: UserId,
    sid: SessionId,
    roles: &'a [String],
    acc: &'a AccountId,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

impl Issuer {
    pub(crate) fn new(issuer: String, keys: Keyring) -> Issuer {
        Issuer { issuer, keys }
    }

    /// The keys that sign.
    pub(crate) const fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// A token for a session, signed by the key of its time.
    pub(crate) fn sign(
        &self,
        session_id: SessionId,
        user_id: UserId,
        account: &AccountId,
        roles: &[String],
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<String, Error> {
        let key = self.keys.at(from, until).ok_or(Error::Unavailable("a signing key"))?;
        let header =
            Header { typ: Some("at+jwt".to_owned()), kid: Some(key.kid), ..Header::new(Algorithm::RS256) };
        let claims = Claims {
            iss: &self.issuer,
            aud: AUDIENCE,
            sub: user_id,
            sid: session_id,
            roles,
            acc: account,
            iat: from.timestamp(),
            nbf: from.timestamp(),
            exp: until.timestamp(),
            jti: Uuid::now_v7(),
        };
        Ok(jsonwebtoken::encode(&header, &claims, &key.encoding)?)
    }
}
