//! IPFS: a real Kubo that talks to nobody, with its RPC on loopback.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Place;
use crate::cache::KUBO;
use crate::http::{Ask, send};
use crate::ports::Port;
use crate::process::run;

pub(super) fn launch(place: &Place) -> Result<()> {
    let folder = place.data.join("ipfs");
    let program = KUBO.path()?;
    let kubo = || {
        let mut kubo = Command::new(&program);
        kubo.env("IPFS_PATH", &folder).env("HOME", &folder).env("IPFS_TELEMETRY", "off");
        kubo
    };
    if !folder.join("version").exists() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        run(kubo().args(["init", "--profile=server", "--empty-repo"]))?;
    }
    let path = folder.join("config");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    keep_to_ourselves(&mut config, place)
        .context("Kubo's configuration has another shape than that of 0.39")?;
    fs::write(&path, serde_json::to_string_pretty(&config)?)?;
    let mut daemon = kubo();
    daemon.args(["daemon", "--offline", "--migrate=false"]);
    place.room.spawn("ipfs", daemon)
}

/// By default it listens on every address and looks for peers on the internet.
fn keep_to_ourselves(config: &mut Value, place: &Place) -> Option<()> {
    let at = |port| format!("/ip4/127.0.0.1/tcp/{}", place.port(port));
    for (path, value) in [
        ("/Addresses/API", json!(at(Port::Ipfs))),
        ("/Addresses/Gateway", json!(at(Port::IpfsGateway))),
        ("/Addresses/Swarm", json!([])),
        ("/Bootstrap", json!([])),
        ("/Discovery/MDNS/Enabled", json!(false)),
        ("/Routing", json!({ "Type": "none" })),
        ("/DNS", json!({ "Resolvers": {} })),
        ("/Ipns/DelegatedPublishers", json!([])),
        ("/AutoTLS", json!({ "Enabled": false })),
        ("/AutoConf", json!({ "Enabled": false })),
    ] {
        let (parent, key) = path.rsplit_once('/')?;
        let parent = config.pointer_mut(parent)?.as_object_mut()?;
        parent.insert(key.to_owned(), value);
    }
    Some(())
}

pub(super) fn is_ready(place: &Place) -> bool {
    let ask = Ask { method: "POST", path: "/api/v0/id", login: None, body: "" };
    send(place.port(Port::Ipfs), &ask).is_ok_and(|answer| answer.status == 200)
}
