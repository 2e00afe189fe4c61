//! Access tokens, read strictly: what auth writes, and nothing that merely looks like it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use ids::{AccountId, SessionId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::Deserialize;
use uuid::Uuid;

/// For whom tokens are made.
const AUDIENCE: &str = "vitrine";
/// How far the clocks of two machines may lie apart.
const SKEW_SECS: u64 = 30;
/// Auth's tokens live a quarter of an hour; one that says much more is not one of them.
const LONGEST_LIFE_SECS: i64 = 3600;
/// After this long not even ending its session is believed of an expired token.
const FORGOTTEN_SECS: i64 = 24 * 3600;
const LONGEST: usize = 4096;
const LONGEST_HEAD: usize = 512;

/// What a token says. Every field is asked for and has one type; a field that comes twice is refused.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: UserId,
    pub(crate) sid: SessionId,
    pub(crate) acc: AccountId,
    pub(crate) roles: Vec<String>,
    pub(crate) exp: i64,
    iat: i64,
    // The library compares these; here they are text and numbers, never lists or whatever can be read as one.
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(rename = "aud")]
    _audience: String,
    #[serde(rename = "nbf")]
    _not_before: i64,
    #[serde(rename = "jti")]
    _id: Uuid,
}

/// The head of a token: three fields and no others. `crit`, `jwk`, `jku` and their like are instructions of whoever
/// wrote the token, and are not taken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: String,
    typ: String,
    kid: String,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Invalid,
    /// Good in every other respect.
    Expired,
}

/// The id of the key that a token says it is signed with, if the token is of our kind at all.
pub(crate) fn key_id(token: &str) -> Result<String, Flaw> {
    let mut parts = token.split('.');
    let (Some(head), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Flaw::Invalid);
    };
    if token.len() > LONGEST || head.len() > LONGEST_HEAD {
        return Err(Flaw::Invalid);
    }
    let bytes = URL_SAFE_NO_PAD.decode(head).map_err(|_| Flaw::Invalid)?;
    let is_object = bytes.first() == Some(&b'{');
    let head: Head = serde_json::from_slice(&bytes).ok().filter(|_| is_object).ok_or(Flaw::Invalid)?;
    // The algorithm is ours, never the token's; the type tells an access token from whatever else is signed.
    let is_ours = head.alg == "RS256" && head.typ == "at+jwt" && is_key_id(&head.kid);
    if is_ours { Ok(head.kid) } else { Err(Flaw::Invalid) }
}

/// A name to look up, never a path and never worth a question to auth when it is nothing that auth would write.
pub(crate) fn is_key_id(kid: &str) -> bool {
    (1..=64).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What the token says, if that key signed it and its time is now.
pub(crate) fn read(token: &str, key: &DecodingKey, issuer: &str) -> Result<Claims, Flaw> {
    let claims = decode(token, key, issuer, true)?;
    let is_born = claims.iat <= Utc::now().timestamp().saturating_add(SKEW_SECS as i64);
    let life = claims.exp.checked_sub(claims.iat);
    let lives_as_long_as_ours = life.is_some_and(|life| (1..=LONGEST_LIFE_SECS).contains(&life));
    if is_born && lives_as_long_as_ours { Ok(claims) } else { Err(Flaw::Invalid) }
}

/// What the token says, also when it has expired not long ago: enough to end its session, and for nothing else.
pub(crate) fn read_late(token: &str, key: &DecodingKey, issuer: &str) -> Result<Claims, Flaw> {
    let claims = decode(token, key, issuer, false)?;
    let is_recent = claims.exp.saturating_add(FORGOTTEN_SECS) > Utc::now().timestamp();
    if is_recent { Ok(claims) } else { Err(Flaw::Invalid) }
}

fn decode(token: &str, key: &DecodingKey, issuer: &str, must_live: bool) -> Result<Claims, Flaw> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = SKEW_SECS;
    validation.validate_exp = must_live;
    validation.validate_nbf = true;
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    let read = jsonwebtoken::decode::<Claims>(token, key, &validation);
    read.map(|token| token.claims).map_err(|err| match err.kind() {
        ErrorKind::ExpiredSignature => Flaw::Expired,
        _ => Flaw::Invalid,
    })
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
