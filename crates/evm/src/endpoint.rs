//! One URL of a chain, as the registry has it.

use std::fmt;

use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

/// Where a chain can be asked. `Debug` shows the host alone: the rest may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http` or `https`, or `ws` or `wss` for a socket.
    pub url: Url,
    /// Lower is tried first.
    pub priority: i32,
    /// The share among endpoints of one priority; at least 1 counts.
    pub weight: i32,
    /// A header that carries the key, name and value.
    pub header: Option<(String, String)>,
    /// Questions a second; 0 for as many as there are.
    pub rate_limit: u32,
}

/// Why a registry's entry cannot be used as an endpoint; says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("endpoint: {0}")]
pub struct InvalidEndpoint(&'static str);

impl Endpoint {
    /// An endpoint without a key in a header.
    pub fn new(url: Url, priority: i32, weight: i32) -> Endpoint {
        Endpoint { url, priority, weight, header: None, rate_limit: 0 }
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
        if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") || url.host_str().is_none() {
            return Err(InvalidEndpoint("the scheme must be http, https, ws or wss"));
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
        Ok(Endpoint { url, priority, weight, header, rate_limit: 0 })
    }

    /// The same endpoint, asked at most so often a second; 0 or less for as often as there are questions.
    #[must_use]
    pub fn with_rate_limit(self, questions_a_second: i32) -> Endpoint {
        Endpoint { rate_limit: u32::try_from(questions_a_second).unwrap_or(0), ..self }
    }

    /// Whether it tells of heads and is asked nothing.
    pub fn is_socket(&self) -> bool {
        matches!(self.url.scheme(), "ws" | "wss")
    }

    /// Whether this is the same place, asked with the same key.
    pub(crate) fn is_same_place(&self, other: &Endpoint) -> bool {
        self.url == other.url && self.header == other.header
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
    fn only_http_and_sockets_are_endpoints() {
        for (url, is_socket) in
            [("wss://rpc.example/k", true), ("ws://127.0.0.1:1", true), ("http://a", false)]
        {
            assert_eq!(Endpoint::parse(url, "none", 0, 1).unwrap().is_socket(), is_socket, "{url}");
        }
        for url in ["ftp://127.0.0.1:8545", "file:///etc/passwd", "127.0.0.1:8545", ""] {
            assert!(Endpoint::parse(url, "none", 0, 1).is_err(), "{url}");
        }
        assert!(Endpoint::parse("https://rpc.example", "header", 0, 1).is_err());
    }
}
