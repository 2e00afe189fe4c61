//! The cookies that browsers carry: what they are called, how they are read, kept and dropped.
//!
//! All of them are `__Host-` (no other host can set them, also no subdomain), `Secure`, `HttpOnly`, `SameSite=Strict`.

use chrono::Utc;
use http::{HeaderMap, HeaderValue, header};
use launch::Secret;

/// The access token.
pub(crate) const SESSION: &str = "__Host-vitrine_session";
/// The refresh token.
pub(crate) const REFRESH: &str = "__Host-vitrine_refresh";
/// What ties a nonce to the browser that asked for it. Never the session's: it dies when a session begins.
pub(crate) const PRE_SESSION: &str = "__Host-vitrine_pre";

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
/// No cookie of ours is longer; a browser sends at most 4 KiB.
const LONGEST: usize = 4096;

/// The value of the cookie of exactly that name.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
        .filter(|value| !value.is_empty() && value.len() <= LONGEST)
}

/// A secret cookie, for keeping.
pub(crate) fn secret(headers: &HeaderMap, name: &str) -> Option<Secret> {
    find(headers, name).map(Secret::from)
}

/// Whether the request acts by what the browser adds on its own. One with an `Authorization` header does not: its
/// cookies are not looked at.
pub(crate) fn are_meant(headers: &HeaderMap) -> bool {
    let has_one = || [SESSION, REFRESH, PRE_SESSION].iter().any(|name| find(headers, name).is_some());
    !headers.contains_key(header::AUTHORIZATION) && has_one()
}

/// Has the browser keep a cookie until then.
pub(crate) fn keep(name: &str, value: &str, until: Option<&prost_types::Timestamp>) -> Option<HeaderValue> {
    let age = until.map_or(0, |until| until.seconds.saturating_sub(Utc::now().timestamp()).max(0));
    HeaderValue::from_str(&format!("{name}={value}; {ATTRIBUTES}; Max-Age={age}")).ok()
}

/// Has the browser forget a cookie.
pub(crate) fn forget(name: &str) -> HeaderValue {
    let text = format!("{name}=; {ATTRIBUTES}; Max-Age=0");
    HeaderValue::from_str(&text).expect("names and attributes are plain ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookie))])
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let headers = with("a=1; x__Host-vitrine_session=2; __Host-vitrine_session=3");
        assert_eq!(find(&headers, SESSION), Some("3"));
        assert_eq!(find(&headers, "b"), None);
        assert_eq!(find(&with("__Host-vitrine_session="), SESSION), None);
    }

    #[test]
    fn an_authorization_header_makes_cookies_mean_nothing() {
        let mut headers = with("__Host-vitrine_refresh=3");
        assert!(are_meant(&headers));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert!(!are_meant(&headers));
        assert!(!are_meant(&with("theme=dark")));
    }

    #[test]
    fn a_kept_cookie_has_every_protection_and_a_forgotten_one_too() {
        let until = prost_types::Timestamp { seconds: Utc::now().timestamp() + 60, nanos: 0 };
        let kept = keep(SESSION, "abc", Some(&until)).unwrap();
        for cookie in [kept.to_str().unwrap(), forget(SESSION).to_str().unwrap()] {
            for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age="] {
                assert!(cookie.contains(attribute), "{cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }
}
