//! A server that speaks the MongoDB protocol: the given one, an installed `mongod`, or FerretDB over SQLite.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use anyhow::Result;

use super::Place;
use crate::cache::FERRET;
use crate::http::connect;
use crate::ports::Port;
use crate::process::which;

/// A server that somebody else runs.
pub(super) fn given() -> Option<String> {
    std::env::var("MONGODB_URL").ok().filter(|url| !url.is_empty())
}

pub(super) fn launch(place: &Place) -> Result<()> {
    let folder = place.data.join("mongo");
    fs::create_dir_all(&folder)?;
    let port = place.port(Port::Mongo);
    let mut server = match which("mongod") {
        Some(mongod) => {
            let mut server = Command::new(mongod);
            server.args(["--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--dbpath"]);
            server
        }
        None => {
            let mut server = Command::new(FERRET.path()?);
            server.args(["--listen", &format!("127.0.0.1:{port}"), "--dir"]);
            server
        }
    };
    server.arg(folder);
    place.room.spawn("mongo", server)
}

/// `{hello: 1, $db: "admin"}` as an OP_MSG; any OP_MSG back means that it serves.
const HELLO: &[u8] = b"\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\
    \x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";

pub(super) fn is_ready(place: &Place) -> bool {
    let hello = || -> Result<bool> {
        let mut stream = connect(place.port(Port::Mongo))?;
        stream.write_all(HELLO)?;
        let mut header = [0u8; 16];
        stream.read_exact(&mut header)?;
        Ok(header[12..16] == HELLO[12..16])
    };
    hello().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_says_its_own_lengths() {
        let length = |bytes: &[u8]| i32::from_le_bytes(bytes[..4].try_into().expect("four bytes")) as usize;
        assert_eq!(length(HELLO), HELLO.len());
        assert_eq!(length(&HELLO[21..]), HELLO.len() - 21);
    }
}
