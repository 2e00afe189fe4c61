//! Where a chain answers, and what makes that right. The URL may hold a key: nothing here shows it.

use serde_json::{Value, json};

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
    /// For the audit: everything but the URL's path, query and fragment, where keys are.
    pub(crate) fn redacted(&self) -> Value {
        let host = evm::Endpoint::parse(&self.url, "none", 0, 1)
            .ok()
            .and_then(|endpoint| endpoint.url.host_str().map(str::to_owned))
            .unwrap_or_default();
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
        match endpoint.url.starts_with("ws") {
            true => need(endpoint.url.len() <= URL_MAX_CHARS, "url", "must be at most 2048 characters"),
            // The message names no part of the URL.
            false => match evm::Endpoint::parse(&endpoint.url, &endpoint.auth_type, 0, 1) {
                Ok(_) => need(endpoint.url.len() <= URL_MAX_CHARS, "url", "must be at most 2048 characters"),
                Err(err) => need(false, "url", &err.to_string()),
            },
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
        let wrong = [endpoint("ftp://s3cret"), endpoint("http://a"), endpoint("http://a")];
        let found = endpoint_violations(&wrong);
        assert!(found.iter().all(|violation| !violation.message.contains("s3cret")));
        assert_eq!(paths(found), ["endpoints[0].url", "endpoints[2].url"]);
    }

    #[test]
    fn the_audit_sees_the_host_of_an_endpoint_alone() {
        let text = endpoint("https://user:pw@rpc.example/v2/k3y?a=b#c").redacted().to_string();
        assert!(text.contains("rpc.example") && !text.contains("k3y") && !text.contains("pw"), "{text}");
    }
}
