//! Redis from the system's package.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::Result;

use super::Place;
use crate::http::connect;
use crate::ports::Port;

pub(super) fn launch(place: &Place) -> Result<()> {
    let folder = place.data.join("redis");
    fs::create_dir_all(&folder)?;
    let mut server = Command::new("redis-server");
    if !place.is_trial() {
        // In a file, because arguments are visible to every user of the machine.
        let conf = folder.join("redis.conf");
        fs::write(&conf, "")?;
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o600))?;
        fs::write(&conf, format!("requirepass {}\n", place.password("redis")?))?;
        server.arg(conf);
    }
    server.args(["--bind", "127.0.0.1", "--port", &place.port(Port::Redis).to_string(), "--daemonize", "no"]);
    server.args(["--save", "", "--appendonly", if place.is_trial() { "no" } else { "yes" }]);
    // A test takes a logical database of its own, so there must be many.
    server.args(["--databases", if place.is_trial() { "4096" } else { "16" }]);
    server.args(["--maxmemory-policy", "noeviction", "--dir"]).arg(folder);
    place.room.spawn("redis", server)
}

pub(super) fn is_ready(place: &Place) -> bool {
    let ping = || -> Result<bool> {
        let mut stream = connect(place.port(Port::Redis))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0u8; 7];
        stream.read_exact(&mut answer)?;
        // While it loads its file it answers `-LOADING`; where it wants a password, `-NOAUTH`.
        Ok(&answer == b"+PONG\r\n" || &answer == b"-NOAUTH")
    };
    ping().unwrap_or(false)
}
