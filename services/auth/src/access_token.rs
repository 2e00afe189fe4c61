//! Access tokens: who the bearer is, for a quarter of an hour, signed with RS256.

use chrono::{DateTime, Utc};
use ids::{AccountId, SessionId, UserId};
use jsonwebtoken::{Algorithm, Header, errors::Error};
use serde::Serialize;
use uuid::Uuid;

use crate::signing_key::SigningKey;

/// For whom tokens are made.
const AUDIENCE: &str = "vitrine";

/// Signs tokens in the fleet's name.
#[derive(Clone)]
pub(crate) struct Issuer {
    issuer: String,
    key: SigningKey,
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
    pub(crate) fn new(issuer: String, key: SigningKey) -> Issuer {
        Issuer { issuer, key }
    }

    /// A token for a session.
    pub(crate) fn sign(
        &self,
        session_id: SessionId,
        user_id: UserId,
        account: &AccountId,
        roles: &[String],
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<String, Error> {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.key.kid.clone()),
            ..Header::new(Algorithm::RS256)
        };
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
        jsonwebtoken::encode(&header, &claims, &self.key.encoding)
    }
}
