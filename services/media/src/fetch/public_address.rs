//! Which addresses metadata may be fetched from: public ones, and nothing that only looks like one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::Unfetched;

/// What may be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    /// The loopback, for development.
    pub(crate) allow_loopback: bool,
    /// Any port; else 80 and 443. For tests: a server of theirs has neither.
    pub(crate) any_port: bool,
}

impl Guard {
    /// Whether a connection to this address may be made.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self.allow_loopback && address.is_loopback())
    }

    /// What can be said of a URL before its name is resolved. The URL's parser has turned every spelling of an IPv4
    /// address (decimal, octal, hexadecimal, short) into the address.
    pub(crate) fn check(self, url: &Url) -> Result<(), Unfetched> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Unfetched::Refused("the scheme is none of https, http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unfetched::Refused("the address has a user"));
        }
        let (is_loopback, address) = match url.host() {
            None => return Err(Unfetched::Refused("the address has no host")),
            Some(Host::Domain(name)) => (is_localhost(name), None),
            Some(Host::Ipv4(v4)) => (v4.is_loopback(), Some(IpAddr::V4(v4))),
            Some(Host::Ipv6(v6)) => (v6.is_loopback(), Some(IpAddr::V6(v6))),
        };
        // With the loopback allowed its ports are too: that is where development servers are.
        let is_any_port = self.any_port || (self.allow_loopback && is_loopback);
        if !is_any_port && !matches!(url.port_or_known_default(), Some(80 | 443)) {
            return Err(Unfetched::Refused("the port is none of 80, 443"));
        }
        match address {
            Some(address) if !self.allows(address) => Err(Unfetched::Refused(NOT_PUBLIC)),
            _ => Ok(()),
        }
    }
}

pub(crate) const NOT_PUBLIC: &str = "the address is not public";

fn is_localhost(name: &str) -> bool {
    name.trim_end_matches('.').eq_ignore_ascii_case("localhost")
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224.., ..)
    )
}

/// Only what is given out as global unicast; so every form that carries an IPv4 address inside (mapped, compatible,
/// NAT64, 6to4, Teredo) is refused whatever it carries.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global_unicast = a & 0xe000 == 0x2000;
    let is_special = match a {
        // 2001::/23 are protocols (Teredo, ORCHID), 2001:db8::/32 is for documents.
        0x2001 => b < 0x0200 || b == 0x0db8,
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    is_global_unicast && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Guard = Guard { allow_loopback: false, any_port: true };

    #[test]
    fn private_addresses_are_refused_and_public_ones_are_not() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ];
        for address in refused {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        let allowed = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
        ];
        for address in allowed {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn every_spelling_of_a_private_address_is_seen_through() {
        let spellings = [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.1/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://0/",
            "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
            "http://127\u{3002}0\u{3002}0\u{3002}1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00:ec2::254]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://10.0.0.1/",
            "http:\\\\127.0.0.1/",
            "http:127.0.0.1/",
        ];
        for spelling in spellings {
            let url = Url::parse(spelling).unwrap();
            assert_eq!(STRICT.check(&url), Err(Unfetched::Refused(NOT_PUBLIC)), "{spelling}");
        }
    }

    #[test]
    fn users_schemes_and_ports_are_limited() {
        let strict = Guard { allow_loopback: false, any_port: false };
        for uri in [
            "http://a@example.com/",
            "http://:p@example.com/",
            "http://example.com@127.0.0.1/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com:80/",
            "http://example.com:22/",
            "https://example.com:8443/",
            "http://1.1.1.1:6379/",
        ] {
            assert!(matches!(strict.check(&Url::parse(uri).unwrap()), Err(Unfetched::Refused(_))), "{uri}");
        }
        for uri in [
            "https://example.com/1.json",
            "http://example.com",
            "http://example.com:443/",
            "https://1.1.1.1/",
        ] {
            assert_eq!(strict.check(&Url::parse(uri).unwrap()), Ok(()), "{uri}");
        }
    }

    #[test]
    fn allowing_the_loopback_allows_nothing_else() {
        let guard = Guard { allow_loopback: true, any_port: false };
        for uri in ["http://127.0.0.1:9000/", "http://[::1]:9000/", "http://localhost:9000/"] {
            assert_eq!(guard.check(&Url::parse(uri).unwrap()), Ok(()), "{uri}");
        }
        for uri in [
            "http://10.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/",
            "http://example.com:9000/",
        ] {
            assert!(guard.check(&Url::parse(uri).unwrap()).is_err(), "{uri}");
        }
    }
}
