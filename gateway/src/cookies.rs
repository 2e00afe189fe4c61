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
/// What ties a nonce to the browser that asked for it: one for each nonce, named for its first characters, so that two
/// pages that sign in at once have nothing of each other's to lose. It dies when a session begins by it.
const PRE_SESSION: &str = "__Host-vitrine_pre_";
/// The characters of a nonce that name its cookie.
const NAMED_BY: usize = 8;

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
/// No cookie of ours is longer; a browser sends at most 4 KiB.
const LONGEST: usize = 4096;

/// All cookies, names with values. One that is no text is no reason to miss the others: any page of the host may have
/// set it.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
}

/// The value of the cookie of exactly that name.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    pairs(headers)
        .find_map(|(key, value)| (key == name).then_some(value))
        .filter(|value| !value.is_empty() && value.len() <= LONGEST)
}

/// The name of the cookie that a nonce is tied by; nothing for what is no nonce of ours.
pub(crate) fn pre_session(nonce: &str) -> Option<String> {
    let named_by = nonce.get(..NAMED_BY)?;
    is_nonce(named_by).then(|| format!("{PRE_SESSION}{named_by}"))
}

/// The cookies that tie nonces, the oldest first, as browsers send them.
pub(crate) fn pre_sessions(headers: &HeaderMap) -> Vec<(String, Secret)> {
    let ours = pairs(headers).filter(|(name, value)| {
        let named_by = name.strip_prefix(PRE_SESSION);
        named_by.is_some_and(|text| text.len() == NAMED_BY && is_nonce(text)) && !value.is_empty()
    });
    ours.map(|(name, value)| (name.to_owned(), Secret::from(value))).collect()
}

fn is_nonce(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A secret cookie, for keeping.
pub(crate) fn secret(headers: &HeaderMap, name: &str) -> Option<Secret> {
    find(headers, name).map(Secret::from)
}

/// Whether the request acts by what the browser adds on its own. One with an `Authorization` header does not: its
/// cookies are not looked at.
pub(crate) fn are_meant(headers: &HeaderMap) -> bool {
    let is_ours = |name: &str| matches!(name, SESSION | REFRESH) || name.starts_with(PRE_SESSION);
    let has_one = || pairs(headers).any(|(name, value)| is_ours(name) && !value.is_empty());
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
    fn a_cookie_that_is_no_text_hides_no_other() {
        for strange in [&b"x=\xc3\xa9"[..], b"x=\xff\xfe", b"\xff"] {
            let line = [strange, b"; __Host-vitrine_session=3; __Host-vitrine_pre_abcd1234=4"].concat();
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(&line).unwrap())]);
            assert_eq!(find(&headers, SESSION), Some("3"));
            assert!(are_meant(&headers));
            assert_eq!(pre_sessions(&headers).len(), 1);
        }
    }

    #[test]
    fn a_nonce_names_its_cookie_and_nothing_else_is_taken_for_one() {
        assert_eq!(pre_session("abcd1234XYZ").as_deref(), Some("__Host-vitrine_pre_abcd1234"));
        for wrong in ["", "abc", "abcd;123456", "éééééééé"] {
            assert_eq!(pre_session(wrong), None, "{wrong}");
        }
        let headers = with("__Host-vitrine_pre_12345678=a; __Host-vitrine_pre_1=b; __Host-vitrine_pre=c");
        let names: Vec<_> = pre_sessions(&headers).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["__Host-vitrine_pre_12345678"]);
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
