//! Where a chain answers, and what makes that right. The URL may hold a key: nothing here shows it.

use serde_json::{Value, json};
use url::Url;

use crate::model::{Violation, violation};

const ENDPOINTS_MAX: usize = 32;
const URL_MAX_CHARS: usize = 2048;

/// Where a chain answers; the URL may be a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) priority: i32,
    pub(crate) weight: i32,
    pub(crate) auth_type: String,
    pub(crate) rate_limit: i32,
    pub(crate) active: bool,
}

impl Endpoint {
    /// Whether the chain can be asked there now. A socket tells of new heads and is asked nothing.
    pub(crate) fn is_asked(&self) -> bool {
        self.active && self.dialled().is_ok_and(|endpoint| !endpoint.is_socket())
    }

    /// As the chain's client takes it.
    pub(crate) fn dialled(&self) -> Result<evm::Endpoint, evm::InvalidEndpoint> {
        let endpoint = evm::Endpoint::parse(&self.url, &self.auth_type, self.priority, self.weight)?;
        Ok(endpoint.with_rate_limit(self.rate_limit))
    }

    fn parse_url(&self) -> Result<Url, &'static str> {
        if self.url.len() > URL_MAX_CHARS {
            return Err("must be at most 2048 characters");
        }
        // The parser leaves them out without a word, and then what is stored is another text than what is dialled.
        if self.url.chars().any(|char| char.is_control() || char.is_whitespace()) {
            return Err("must hold no white space and no control characters");
        }
        let url = self.url.parse::<Url>().map_err(|_| "must be a URL")?;
        let is_dialled = matches!(url.scheme(), "http" | "https" | "ws" | "wss");
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        if is_dialled && has_host { Ok(url) } else { Err("must be http, https, ws or wss with a host") }
    }

    /// For the audit: everything but the URL's path, query and fragment, where keys are.
    pub(crate) fn redacted(&self) -> Value {
        let url = self.url.parse::<Url>().ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        json!({
            "host": host, "priority": self.priority, "weight": self.weight, "authType": self.auth_type,
            "rateLimit": self.rate_limit, "active": self.active,
        })
    }
}

/// What is wrong with a chain's endpoints.
pub(crate) fn endpoint_violations(endpoints: &[Endpoint]) -> Vec<Violation> {
    let mut found = Vec::new();
    if endpoints.len() > ENDPOINTS_MAX {
        found.push(violation("endpoints", format!("at most {ENDPOINTS_MAX}")));
    }
    for (at, endpoint) in endpoints.iter().enumerate() {
        let mut need = |holds: bool, path: &str, why: &str| {
            if !holds {
                found.push(violation(format!("endpoints[{at}].{path}"), why));
            }
        };
        let is_known = matches!(endpoint.auth_type.as_str(), "none" | "url" | "header");
        need(is_known, "auth_type", "must be none, url or header");
        // The message names no part of the URL.
        match endpoint.parse_url() {
            Ok(_) => {
                let dialled = endpoint.dialled().map_err(|err| err.to_string());
                need(dialled.is_ok(), "url", &dialled.err().unwrap_or_default());
            }
            Err(why) => need(false, "url", why),
        }
        need((1..=1000).contains(&endpoint.weight), "weight", "must be 1 to 1000");
        need(endpoint.rate_limit >= 0, "rate_limit", "must not be negative");
        need(!endpoints[..at].iter().any(|other| other.url == endpoint.url), "url", "is there twice");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        let (auth_type, url) = ("url".into(), url.into());
        Endpoint { url, priority: 0, weight: 1, auth_type, rate_limit: 0, active: true }
    }

    fn paths(violations: Vec<Violation>) -> Vec<String> {
        violations.into_iter().map(|violation| violation.path).collect()
    }

    #[test]
    fn each_wrong_endpoint_is_named_without_its_url() {
        assert!(
            endpoint_violations(&[endpoint("http://127.0.0.1:8545"), endpoint("wss://x.example/k")])
                .is_empty()
        );
        let long = format!("wss://a/{}", "s3cret".repeat(400));
        let wrong = [
            "ftp://s3cret",
            "ws-s3cret",
            "wss://",
            "wss://:8546/s3cret",
            "ws3://s3cret",
            "wss://a/\u{0}s3cret",
            "https://a\n/s3cret",
            " https://a/s3cret",
            "s3cret",
            "",
            &long,
        ];
        for url in wrong {
            let found = endpoint_violations(&[endpoint(url)]);
            assert!(found.iter().all(|violation| !violation.message.contains("s3cret")), "{found:?}");
            assert_eq!(paths(found), ["endpoints[0].url"], "{url:?}");
        }
        let twice = [endpoint("http://a"), endpoint("http://a")];
        assert_eq!(paths(endpoint_violations(&twice)), ["endpoints[1].url"]);
    }

    #[test]
    fn the_audit_sees_the_host_of_an_endpoint_alone() {
        let text = endpoint("https://user:pw@rpc.example/v2/k3y?a=b#c").redacted().to_string();
        assert!(text.contains("rpc.example") && !text.contains("k3y") && !text.contains("pw"), "{text}");
    }
}
