//! What a process listens on, read from `/proc`: the proof that nothing of ours is open to a network.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The TCP addresses on which a process accepts connections.
pub fn listeners(pid: i32) -> Vec<SocketAddr> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let by_inode: HashMap<u64, SocketAddr> =
        tables.iter().flat_map(|text| text.lines().filter_map(parse)).collect();
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inodes = open.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
    });
    inodes.filter_map(|inode| by_inode.get(&inode).copied()).collect()
}

/// A listening row of the kernel's table: inode and local address.
fn parse(line: &str) -> Option<(u64, SocketAddr)> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(3) != Some(&LISTEN) {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some((fields.get(9)?.parse().ok()?, SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?)))
}

/// The kernel prints each 32-bit word in the machine's byte order.
fn ip(text: &str) -> Option<IpAddr> {
    let words: Option<Vec<u32>> =
        (0..text.len() / 8).map(|n| u32::from_str_radix(text.get(8 * n..8 * n + 8)?, 16).ok()).collect();
    let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_own_listeners_are_seen_wherever_they_listen() {
        let ours = i32::try_from(std::process::id()).expect("a pid is small");
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let bound = listener.local_addr().expect("a bound socket has an address");
            assert!(listeners(ours).contains(&bound), "{bound}");
        }
    }
}
