//! Whether a page of somebody else made the browser send this: the one check for every door.
//!
//! | the request                     | is let in when                                                              |
//! | ------------------------------- | --------------------------------------------------------------------------- |
//! | has `Origin`                    | it is one of the list; `null` and any other is refused                      |
//! | no cookie of ours, or a token   | always: there is nothing that a browser adds on its own                     |
//! | cookie, `Sec-Fetch-Site`        | `same-origin`, `same-site` or `none`                                        |
//! | cookie, neither, reads          | always: `SameSite=Strict` and CORS keep the answer from others              |
//! | cookie, neither, may change     | `x-requested-with` or `graphql-require-preflight`: no form can send them    |
//!
//! Beside this, what may change something takes JSON only, which a page of another origin cannot send without asking.

use http::{HeaderMap, header};

use crate::cookies;

/// Headers that a page of another origin cannot add without a preflight, which it does not get.
pub(crate) const PROOFS: [&str; 2] = ["x-requested-with", "graphql-require-preflight"];
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forged {
    /// The origin is not of the list.
    Origin,
    /// The browser says that another site made it send this.
    Site,
    /// A cookie came with nothing that shows where from.
    Unproven,
}

impl Forged {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Forged::Origin => "this origin is not allowed",
            Forged::Site => "a request with cookies must come from a page of this site",
            Forged::Unproven => {
                "a request with cookies needs an Origin, Sec-Fetch-Site, x-requested-with or graphql-require-preflight header"
            }
        }
    }
}

/// `changes` tells whether the request could change something, as every POST could.
pub(crate) fn check(headers: &HeaderMap, origins: &[String], changes: bool) -> Result<(), Forged> {
    if has_origin(headers) {
        return if is_known_origin(headers, origins) { Ok(()) } else { Err(Forged::Origin) };
    }
    if !cookies::are_meant(headers) {
        return Ok(());
    }
    match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
        Some(b"same-origin" | b"same-site" | b"none") => Ok(()),
        Some(_) => Err(Forged::Site),
        None if changes && !PROOFS.iter().any(|name| headers.contains_key(*name)) => Err(Forged::Unproven),
        None => Ok(()),
    }
}

/// Clients that are not browsers send none.
pub(crate) fn has_origin(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
}

/// Exactly one origin, and exactly one of ours.
fn is_known_origin(headers: &HeaderMap, origins: &[String]) -> bool {
    let mut said = headers.get_all(header::ORIGIN).iter();
    let (first, second) = (said.next(), said.next());
    let first = first.and_then(|origin| origin.to_str().ok());
    second.is_none() && first.is_some_and(|origin| origins.iter().any(|known| known == origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: (&str, &str) = ("cookie", "__Host-vitrine_session=abc");
    const TOKEN: (&str, &str) = ("authorization", "Bearer abc");

    fn asked(pairs: &[(&'static str, &str)], changes: bool) -> Result<(), Forged> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        check(&headers, &["https://vitrine.example".to_owned()], changes)
    }

    #[test]
    fn an_origin_is_matched_exactly_or_refused() {
        assert_eq!(asked(&[("origin", "https://vitrine.example"), COOKIE], true), Ok(()));
        for evil in [
            "null",
            "https://evil.example",
            "https://vitrine.example.evil.example",
            "https://evil-vitrine.example",
            "http://vitrine.example",
            "https://vitrine.example:444",
            "https://VITRINE.example",
            "https://vitrine.example/",
            "https://a.vitrine.example",
            "",
        ] {
            for more in [&[COOKIE][..], &[TOKEN], &[]] {
                let mut pairs =
                    vec![("origin", evil), ("sec-fetch-site", "same-origin"), ("x-requested-with", "1")];
                pairs.extend_from_slice(more);
                assert_eq!(asked(&pairs, true), Err(Forged::Origin), "{evil}");
                assert_eq!(asked(&pairs, false), Err(Forged::Origin), "{evil}");
            }
        }
        let two = [("origin", "https://vitrine.example"), ("origin", "https://evil.example")];
        assert_eq!(asked(&two, true), Err(Forged::Origin));
    }

    #[test]
    fn without_cookies_or_with_a_token_there_is_nothing_to_forge() {
        assert_eq!(asked(&[], true), Ok(()));
        assert_eq!(asked(&[("sec-fetch-site", "cross-site")], true), Ok(()));
        assert_eq!(asked(&[TOKEN, COOKIE], true), Ok(()));
        assert_eq!(asked(&[("cookie", "theme=dark")], true), Ok(()));
    }

    #[test]
    fn a_cookie_needs_a_sign_that_the_page_is_ours() {
        for site in ["same-origin", "same-site", "none"] {
            assert_eq!(asked(&[COOKIE, ("sec-fetch-site", site)], true), Ok(()), "{site}");
        }
        for site in ["cross-site", "", "Same-Origin", "something new"] {
            for changes in [true, false] {
                let pairs = [COOKIE, ("sec-fetch-site", site), ("x-requested-with", "1")];
                assert_eq!(asked(&pairs, changes), Err(Forged::Site), "{site}");
            }
        }
        assert_eq!(asked(&[COOKIE], true), Err(Forged::Unproven));
        assert_eq!(asked(&[COOKIE], false), Ok(()));
        assert_eq!(asked(&[COOKIE, ("x-requested-with", "fetch")], true), Ok(()));
        assert_eq!(asked(&[COOKIE, ("graphql-require-preflight", "1")], true), Ok(()));
        for name in ["__Host-vitrine_refresh=a", "__Host-vitrine_pre_abcd1234=a"] {
            assert_eq!(asked(&[("cookie", name)], true), Err(Forged::Unproven), "{name}");
        }
    }
}
