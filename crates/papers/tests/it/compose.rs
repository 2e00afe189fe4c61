//! `docker-compose.yml` and `deploy/make-secrets` say what the services understand. No engine is needed for that.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use launch::{Card, resolve};
use papers::compose::{Block, filled_in, services};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{BINARIES, path, read};

fn blocks() -> BTreeMap<String, Block> {
    services(&read("docker-compose.yml"))
}

/// What `.env.example` sets.
fn example() -> BTreeMap<String, String> {
    let text = read(".env.example");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn make_secrets(into: &Path) {
    let made = Command::new(path("deploy/make-secrets")).arg(into).output().expect("it can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The environment of the block over the file that `make-secrets` writes, read as the service reads it.
#[track_caller]
fn starts<C: DeserializeOwned + JsonSchema>(card: &Card<C>, defaults: &str, secrets: &Path) {
    let name = card.name();
    let block = &blocks()[name];
    let known = example();
    let environment = block.environment.iter().map(|(key, value)| (key.clone(), filled_in(value, &known)));
    let file = secrets.join(format!("{name}.toml"));
    let file = file.exists().then_some(file);
    let told = format!("{}__CONFIG", name.replace('-', "_").to_uppercase());
    assert_eq!(block.environment.contains_key(&told), file.is_some(), "{name}: its secrets come by {told}");
    let read = resolve::<C>(name, defaults, file.as_deref(), environment);
    let tree = read.unwrap_or_else(|err| panic!("{name}: {err}")).redacted();
    // What a developer's machine uses is nowhere in a container.
    let process = &tree["process"]["ops_addr"];
    assert!(process.as_str().is_some_and(|addr| addr.starts_with("0.0.0.0:")), "{name}: {process}");
    for peer in tree["peers"].as_object().into_iter().flatten() {
        let host = peer.0.replace('_', "-");
        let url = peer.1.as_str().unwrap_or_default();
        assert!(url.starts_with(&format!("https://{host}:")), "{name}: {url}");
    }
}

#[test]
fn every_service_understands_its_environment_and_its_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    make_secrets(folder.path());
    let secrets = folder.path();
    starts(&gateway::CARD, include_str!("../../../../gateway/config.toml"), secrets);
    starts(&auth::CARD, include_str!("../../../../services/auth/config.toml"), secrets);
    starts(&user::CARD, include_str!("../../../../services/user/config.toml"), secrets);
    starts(&wallet::CARD, include_str!("../../../../services/wallet/config.toml"), secrets);
    starts(&orchestrator::CARD, include_str!("../../../../services/orchestrator/config.toml"), secrets);
    starts(&media::CARD, include_str!("../../../../services/media/config.toml"), secrets);
    starts(&chain_registry::CARD, include_str!("../../../../services/chain-registry/config.toml"), secrets);
    starts(&catalog::CARD, include_str!("../../../../services/catalog/config.toml"), secrets);
    starts(&indexer::CARD, include_str!("../../../../services/indexer/config.toml"), secrets);
    starts(&subs_worker::CARD, include_str!("../../../../services/subs-worker/config.toml"), secrets);
}

#[test]
fn secrets_are_made_once_and_only_their_owner_reaches_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let into = folder.path().join("secrets");
    let all = || -> BTreeMap<String, String> {
        let files = fs::read_dir(&into).expect("it was made").filter_map(Result::ok);
        let files = files.filter(|file| file.path().is_file());
        files
            .map(|file| {
                let text = fs::read_to_string(file.path()).expect("it can be read");
                (file.file_name().to_string_lossy().into_owned(), text)
            })
            .collect()
    };
    make_secrets(&into);
    let first = all();
    make_secrets(&into);
    assert!(first == all(), "a second run changes nothing");
    let mode = fs::metadata(&into).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o077, 0, "the folder is its owner's alone");
    for secret in named_secrets() {
        assert!(first.contains_key(&secret), "make-secrets does not make {secret}");
    }
}

/// The files under `secrets:` of the compose file.
fn named_secrets() -> BTreeSet<String> {
    let text = read("docker-compose.yml");
    let files = text.lines().filter_map(|line| line.trim().strip_prefix("file: ./deploy/secrets/"));
    files.map(str::to_owned).collect()
}

#[test]
fn the_whole_fleet_is_there() {
    let blocks = blocks();
    for name in BINARIES.into_iter().chain(["postgres", "redis", "rabbitmq", "mongo", "s3", "kubo", "anvil"])
    {
        let block = blocks.get(name).unwrap_or_else(|| panic!("{name} is not there"));
        let watched =
            block.keys.contains_key("healthcheck") || block.keys.get("<<").is_some_and(|m| m == "*service");
        assert!(watched, "{name} has no health check");
    }
    for name in BINARIES.into_iter().filter(|name| path(&format!("services/{name}/sqlx.toml")).exists()) {
        assert!(blocks.contains_key(&format!("migrate-{name}")), "nobody migrates {name}");
        let waits = blocks[name].lines.iter().any(|line| *line == format!("migrate-{name}:"));
        assert!(waits, "{name} does not wait for its migrations");
    }
}

#[test]
fn every_container_has_no_more_than_it_needs() {
    for (name, block) in blocks() {
        let inherited = block.keys.get("<<").map(String::as_str).unwrap_or_default();
        assert!(["*service", "*job", "*store"].contains(&inherited), "{name} is not hardened: {inherited:?}");
        assert!(
            !block.lines.iter().any(|line| line.contains("privileged") || line.contains("docker.sock")),
            "{name}"
        );
        for port in &block.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port} beyond this machine");
        }
        if let Some(image) = block.keys.get("image") {
            let is_pinned = image.contains(':') && !image.ends_with(":latest");
            assert!(is_pinned || image.starts_with("vitrine/"), "{name}: {image} is not pinned");
        }
    }
}

#[test]
fn no_secret_stands_in_the_file() {
    for (name, block) in blocks() {
        for (key, value) in &block.environment {
            let has_login = value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
            let is_secret = ["PASSWORD", "SECRET", "CURSOR_KEY"].iter().any(|word| key.contains(word));
            let is_file = key.ends_with("_FILE");
            assert!(!has_login && (!is_secret || is_file), "{name}: {key} belongs in deploy/secrets/");
        }
    }
}
