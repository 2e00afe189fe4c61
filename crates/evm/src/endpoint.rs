//! One URL of a chain, and how it has behaved lately.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where a chain can be asked. `Debug` shows the host alone: the rest may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http` or `https`.
    pub url: Url,
    /// Lower is tried first.
    pub priority: i32,
    /// The share among endpoints of one priority; at least 1 counts.
    pub weight: i32,
    /// A header that carries the key, name and value.
    pub header: Option<(String, String)>,
}

/// Why a registry's entry cannot be used as an endpoint; says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("endpoint: {0}")]
pub struct InvalidEndpoint(&'static str);

impl Endpoint {
    /// An endpoint without a key in a header.
    pub fn new(url: Url, priority: i32, weight: i32) -> Endpoint {
        Endpoint { url, priority, weight, header: None }
    }

    /// An entry of the registry. With `auth_type` `header`, the URL's fragment holds the header:
    /// `https://rpc.example/#x-api-key=secret`.
    pub fn parse(
        url: &str,
        auth_type: &str,
        priority: i32,
        weight: i32,
    ) -> Result<Endpoint, InvalidEndpoint> {
        let mut url: Url = url.parse().map_err(|_| InvalidEndpoint("not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(InvalidEndpoint("the scheme must be http or https"));
        }
        let fragment = url.fragment().map(str::to_owned);
        url.set_fragment(None);
        let header = match auth_type {
            "header" => {
                let fragment = fragment.ok_or(InvalidEndpoint("no header in the fragment"))?;
                let (name, value) =
                    fragment.split_once('=').ok_or(InvalidEndpoint("no header in the fragment"))?;
                let is_valid = name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok();
                is_valid
                    .then(|| Some((name.to_owned(), value.to_owned())))
                    .ok_or(InvalidEndpoint("a malformed header"))?
            }
            _ => None,
        };
        Ok(Endpoint { url, priority, weight, header })
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}, priority {}, weight {})", self.host(), self.priority, self.weight)
    }
}

/// An endpoint with its recent past.
pub(crate) struct Live {
    pub(crate) endpoint: Endpoint,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    /// Whether it has proven to serve the right chain since it last failed.
    is_verified: bool,
    failures: u32,
    cooling_until: Option<Instant>,
}

impl Live {
    pub(crate) fn new(endpoint: Endpoint) -> Live {
        Live { endpoint, health: Mutex::default() }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_verified(&self) -> bool {
        self.health().is_verified
    }

    pub(crate) fn set_verified(&self) {
        self.health().is_verified = true;
    }

    /// Asks for the proof again before the next question.
    pub(crate) fn set_unverified(&self) {
        self.health().is_verified = false;
    }

    pub(crate) fn is_cooling(&self, now: Instant) -> bool {
        self.health().cooling_until.is_some_and(|until| now < until)
    }

    /// Forgives everything but the proof of the chain.
    pub(crate) fn worked(&self) {
        let mut health = self.health();
        (health.failures, health.cooling_until) = (0, None);
    }

    /// Leaves it alone for a while, longer each time; the chain is proven anew afterwards.
    pub(crate) fn failed(&self, now: Instant) {
        let mut health = self.health();
        let pause = FIRST_PAUSE.saturating_mul(1 << health.failures.min(6)).min(LONGEST_PAUSE);
        health.failures = health.failures.saturating_add(1);
        health.cooling_until = Some(now + pause);
        health.is_verified = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_taken_out_of_the_fragment_and_never_shown() {
        let endpoint = Endpoint::parse("https://rpc.example/v2#x-api-key=s3cret", "header", 0, 1).unwrap();
        assert_eq!(endpoint.header, Some(("x-api-key".to_owned(), "s3cret".to_owned())));
        assert_eq!(endpoint.url.as_str(), "https://rpc.example/v2");
        let keyed = Endpoint::parse("https://rpc.example/v2/k3y", "url", 0, 1).unwrap();
        assert_eq!(format!("{endpoint:?} {keyed:?}").matches("rpc.example").count(), 2);
        assert!(!format!("{endpoint:?} {keyed:?}").contains("3"));
    }

    #[test]
    fn only_http_is_an_endpoint() {
        for url in ["ws://127.0.0.1:8545", "file:///etc/passwd", "127.0.0.1:8545", ""] {
            assert!(Endpoint::parse(url, "none", 0, 1).is_err(), "{url}");
        }
        assert!(Endpoint::parse("https://rpc.example", "header", 0, 1).is_err());
    }

    #[test]
    fn a_failing_endpoint_cools_down_longer_each_time_and_recovers() {
        let live = Live::new(Endpoint::parse("http://127.0.0.1:1", "none", 0, 1).unwrap());
        let now = Instant::now();
        live.set_verified();
        live.failed(now);
        assert!(live.is_cooling(now) && !live.is_cooling(now + FIRST_PAUSE) && !live.is_verified());
        live.failed(now);
        assert!(live.is_cooling(now + FIRST_PAUSE));
        (0..40).for_each(|_| live.failed(now));
        assert!(!live.is_cooling(now + LONGEST_PAUSE));
        live.worked();
        assert!(!live.is_cooling(now));
    }
}
