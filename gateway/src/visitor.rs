//! Who knocks: for rate limits, the login record and the cookies of a browser; never for rights.

use std::net::{IpAddr, SocketAddr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use launch::Secret;
use proto::auth::v1::ClientInfo;

use crate::{
    cookies,
    proxies::{self, Network},
};

/// The other end of a request or of a socket.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    ip_address: IpAddr,
    user_agent: String,
    refresh: Option<Secret>,
    /// What this browser's nonces are tied by, each with its name; the oldest first.
    pre_sessions: Vec<(String, Secret)>,
    /// Whether the answer can set cookies: not on a socket, and not where a token was shown instead.
    takes_cookies: bool,
    is_socket: bool,
}

impl Visitor {
    /// By a request of its own.
    pub(crate) fn of_request(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> Visitor {
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // What comes with a token is not a browser's doing: its cookies are left alone, read and unset.
        let takes_cookies = !headers.contains_key(header::AUTHORIZATION);
        let secret = |name| cookies::secret(headers, name).filter(|_| takes_cookies);
        Visitor {
            ip_address: proxies::client_address(peer, headers, trusted),
            user_agent: agent.chars().take(512).collect(),
            refresh: secret(cookies::REFRESH),
            pre_sessions: if takes_cookies { cookies::pre_sessions(headers) } else { Vec::new() },
            takes_cookies,
            is_socket: false,
        }
    }

    /// By a socket: an answer over it can set no cookie, so none is looked at.
    pub(crate) fn of_socket(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> Visitor {
        let visitor = Visitor::of_request(peer, headers, trusted);
        Visitor { refresh: None, pre_sessions: Vec::new(), takes_cookies: false, is_socket: true, ..visitor }
    }

    pub(crate) fn is_socket(&self) -> bool {
        self.is_socket
    }

    pub(crate) fn takes_cookies(&self) -> bool {
        self.takes_cookies
    }

    pub(crate) fn refresh_cookie(&self) -> Option<&Secret> {
        self.refresh.as_ref()
    }

    /// The cookie that a nonce is tied by, if this browser holds it.
    pub(crate) fn pre_session(&self, nonce: &str) -> Option<(&str, &Secret)> {
        let wanted = cookies::pre_session(nonce)?;
        let (name, value) = self.pre_sessions.iter().find(|(name, _)| *name == wanted)?;
        is_pre_session(value.expose()).then_some((name.as_str(), value))
    }

    /// The names of all of them, the oldest first.
    pub(crate) fn pre_session_names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.pre_sessions.iter().map(|(name, _)| name.as_str())
    }

    /// As services record it.
    pub(crate) fn to_wire(&self, device_id: Option<String>) -> ClientInfo {
        ClientInfo {
            ip_address: self.ip_address.to_string(),
            user_agent: self.user_agent.clone(),
            device_id: device_id.unwrap_or_default(),
        }
    }
}

/// Whether this is something that we gave out: 256 bits in base64url.
fn is_pre_session(value: &str) -> bool {
    URL_SAFE_NO_PAD.decode(value).is_ok_and(|bytes| bytes.len() == 32)
}
