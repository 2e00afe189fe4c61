//! An S3-compatible store: SeaweedFS, all of its parts in one process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::Place;
use crate::cache::SEAWEED;
use crate::http::get;
use crate::ports::Port;

pub const KEY: &str = "vitrine";

pub(super) const PORTS: &[Port] = &[
    Port::S3,
    Port::S3Grpc,
    Port::S3Master,
    Port::S3MasterGrpc,
    Port::S3Volume,
    Port::S3VolumeGrpc,
    Port::S3Filer,
    Port::S3FilerGrpc,
];

pub(super) fn launch(place: &Place) -> Result<()> {
    let folder = place.data.join("s3");
    fs::create_dir_all(&folder)?;
    let users = folder.join("users.json");
    let user = json!({
        "name": KEY,
        "credentials": [{ "accessKey": KEY, "secretKey": place.password("s3")? }],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    });
    fs::write(&users, json!({ "identities": [user] }).to_string())?;
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600))?;

    let mut server = Command::new(SEAWEED.path()?);
    server.current_dir(&folder).env("HOME", &folder).arg("server");
    server.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-master.telemetry=false"]);
    // 0 volumes at most means as many as the disk holds: each bucket takes several.
    server.args(["-volume.max=0", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
    // A cluster of one would wait 10 to 20 s at each start for peers to vote.
    server.args(["-master.electionTimeout=500ms", "-master.heartbeatInterval=100ms"]);
    let ports =
        ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"];
    for (flag, port) in ports.iter().chain(&["filer.port", "filer.port.grpc"]).zip(PORTS) {
        server.arg(format!("-{flag}={}", place.port(*port)));
    }
    server.arg(format!("-dir={}", folder.display())).arg(format!("-s3.config={}", users.display()));
    place.room.spawn("s3", server)
}

/// The door answers before there is room for a byte behind it, so the master is asked too.
pub(super) fn is_ready(place: &Place) -> bool {
    let has_room =
        get(place.port(Port::S3Master), "/dir/status").is_ok_and(|answer| answer.body.contains("DataNodes"));
    has_room && get(place.port(Port::S3), "/").is_ok()
}
