//! The local chain, a block each second.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Place;
use crate::cache::ANVIL;
use crate::http::{Ask, send};
use crate::ports::Port;

pub(super) fn launch(place: &Place) -> Result<()> {
    let folder = place.data.join("anvil");
    fs::create_dir_all(&folder)?;
    let mut chain = Command::new(ANVIL.path()?);
    chain.current_dir(&folder).env("HOME", &folder);
    chain.args(["--host", "127.0.0.1", "--port", &place.port(Port::Anvil).to_string()]);
    chain.args(["--chain-id", "31337", "--block-time", "1", "--quiet"]);
    if !place.is_trial() {
        // The chain has to survive a stop as the rows that were read from it do.
        chain.args(["--state", "chain.json", "--state-interval", "5"]);
    }
    place.room.spawn("anvil", chain)
}

pub(super) fn is_ready(place: &Place) -> bool {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
    let ask = Ask { method: "POST", path: "/", login: None, body };
    send(place.port(Port::Anvil), &ask).is_ok_and(|answer| answer.body.contains("0x7a69"))
}
