//! Whose address counts: the other end of the connection, or what our own proxies say of the client in front of them.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::HeaderMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

const FORWARDED_FOR: &str = "x-forwarded-for";
/// No chain of proxies is longer; what stands further left was written by whoever likes.
const HOPS: usize = 32;

/// A block of addresses in CIDR notation. IPv4 is kept as the IPv6 addresses that it is mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    mask: u128,
}

impl Network {
    /// Whether the address lies in the block.
    pub fn contains(self, address: IpAddr) -> bool {
        wide(address) & self.mask == self.base
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Network, &'static str> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "expected an address, or address/length")?;
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => width,
            Some(length) => length.parse().ok().filter(|n| *n <= width).ok_or("the length does not fit")?,
        };
        let host_bits = width - length;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        let base = wide(address);
        if base & !mask != 0 {
            return Err("the address has bits behind the length");
        }
        Ok(Network { base, mask })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Network {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => Ipv6Addr::to_bits(v6),
    }
}

/// The client's address: from the right, the first hop that is not one of our proxies. A connection that does not come
/// from a proxy of ours is believed in nothing that it says of itself.
pub(crate) fn client_address(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.ip().to_canonical();
    if !is_trusted(address) {
        return address;
    }
    let lines: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS) {
        // A hop that cannot be read was not written by a proxy of ours: the last one that was is the answer.
        let Some(said) = read_hop(hop.trim()) else { break };
        address = said;
        if !is_trusted(address) {
            break;
        }
    }
    address
}

/// An address, with or without a port.
fn read_hop(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    hop.parse().ok().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn seen(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        client_address(peer.parse().unwrap(), &headers, &networks(trusted)).to_string()
    }

    #[test]
    fn without_trusted_proxies_the_header_means_nothing() {
        assert_eq!(seen("203.0.113.9:1", &["1.2.3.4"], &[]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1:1", &["1.2.3.4"], &[]), "127.0.0.1");
    }

    #[test]
    fn a_client_beside_the_proxy_is_not_believed() {
        assert_eq!(seen("203.0.113.9:1", &["1.2.3.4"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn what_a_client_writes_stands_left_of_what_the_proxy_adds() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(seen("10.0.0.1:1", &["1.2.3.4, 203.0.113.9"], trusted), "203.0.113.9");
        assert_eq!(seen("10.0.0.1:1", &["1.2.3.4", "203.0.113.9"], trusted), "203.0.113.9");
        // Pretending to be a proxy of ours, or somebody further left, moves nothing.
        assert_eq!(seen("10.0.0.1:1", &["10.9.9.9, 1.2.3.4, 203.0.113.9"], trusted), "203.0.113.9");
        assert_eq!(seen("10.0.0.1:1", &["127.0.0.1, 203.0.113.9, 10.0.0.2"], trusted), "203.0.113.9");
    }

    #[test]
    fn a_hop_that_cannot_be_read_ends_the_way_left() {
        let trusted = &["10.0.0.0/8"];
        for junk in ["unknown", "", "_hidden", "1.2.3.4.5", "1.2.3.4; drop"] {
            assert_eq!(seen("10.0.0.1:1", &[&format!("8.8.8.8, {junk}, 10.0.0.2")], trusted), "10.0.0.2");
        }
        assert_eq!(seen("10.0.0.1:1", &[], trusted), "10.0.0.1");
    }

    #[test]
    fn one_address_has_one_form() {
        assert_eq!(seen("[::ffff:10.0.0.1]:1", &["::ffff:203.0.113.9"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1:1", &["203.0.113.9:4711"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(seen("[fd00::1]:1", &["[2001:DB8::0:1]:443"], &["fd00::/8"]), "2001:db8::1");
        assert_eq!(seen("[fd00::1]:1", &["[2001:db8::2]"], &["fd00::/8"]), "2001:db8::2");
        assert_eq!(seen("10.0.0.1:1", &["203.0.113.9"], &["::ffff:10.0.0.0/104"]), "203.0.113.9");
    }

    #[test]
    fn a_block_is_written_exactly() {
        assert!(networks(&["0.0.0.0/0"])[0].contains("9.9.9.9".parse().unwrap()));
        assert!(!networks(&["0.0.0.0/0"])[0].contains("2001:db8::1".parse().unwrap()));
        assert!(networks(&["::/0"])[0].contains("9.9.9.9".parse().unwrap()));
        for wrong in ["", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "10.0.0.0/-1", "10/8", "localhost"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
