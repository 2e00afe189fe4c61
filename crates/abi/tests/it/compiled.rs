//! The checked-in output of `contracts/` against its sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

fn manifest() -> Value {
    let text =
        fs::read_to_string(contracts().join("out/manifest.json")).expect("contracts/out is checked in");
    serde_json::from_str(&text).expect("the manifest is JSON")
}

fn hashes(manifest: &Value, part: &str) -> Vec<(String, String)> {
    let entries = manifest[part].as_object().expect("the manifest has both parts");
    entries.iter().map(|(path, hash)| (path.clone(), hash.as_str().expect("a hash").to_owned())).collect()
}

fn sha256(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hex::encode(Sha256::digest(bytes))
}

/// Every file of a folder and of the one for tests inside it.
fn names_in(folder: &str) -> BTreeSet<String> {
    let names = |folder: PathBuf| {
        let entries = fs::read_dir(folder).expect("the folder is checked in");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
    };
    let own = names(contracts().join(folder)).filter(|name| name != "test");
    own.chain(names(contracts().join(folder).join("test")).map(|name| format!("test/{name}"))).collect()
}

#[test]
fn the_sources_are_those_that_the_output_was_compiled_from() {
    let manifest = manifest();
    let inputs = hashes(&manifest, "inputs");
    for (path, hash) in &inputs {
        assert_eq!(
            &sha256(&contracts().join(path)),
            hash,
            "{path} changed: run node compile.mjs in contracts/"
        );
    }
    let recorded: BTreeSet<String> =
        inputs.iter().filter_map(|(path, _)| path.strip_prefix("src/")).map(str::to_owned).collect();
    assert_eq!(recorded, names_in("src"), "a source came or went: run node compile.mjs in contracts/");
}

#[test]
fn the_output_is_what_the_compiler_wrote() {
    let manifest = manifest();
    let outputs = hashes(&manifest, "outputs");
    for (name, hash) in &outputs {
        assert_eq!(&sha256(&contracts().join("out").join(name)), hash, "out/{name} was edited");
    }
    let mut recorded: BTreeSet<String> = outputs.into_iter().map(|(name, _)| name).collect();
    recorded.insert("manifest.json".to_owned());
    assert_eq!(recorded, names_in("out"));
}

/// `cargo xtask test` installs the compiler and sets the variable; without it the two tests above stand alone.
#[test]
fn compiling_again_gives_the_checked_in_output() {
    if std::env::var_os("VITRINE_CONTRACTS_NPM").is_none_or(|value| value != "1") {
        return;
    }
    let checked = Command::new("node")
        .args(["compile.mjs", "--check"])
        .current_dir(contracts())
        .output()
        .expect("node");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_artifacts_are_there_by_name_and_nothing_else_is() {
    for name in ["VitrineFactory", "VitrineERC721", "VitrineERC1155", "PlainERC721", "WrappedEther"] {
        let code = abi::artifact(name).expect("compiled");
        assert!(code.len() > 1_000, "{name}");
        // What is left of an unlinked library would be no bytecode.
        assert!(code.starts_with(&[0x60]), "{name}");
    }
    for name in ["Seaport", "LocalConduitController"] {
        assert!(abi::artifact(name).is_some_and(|code| code.len() > 9_000), "{name}");
    }
    for name in ["SignatureValidator", "SignatureValidatorProbe"] {
        assert!(abi::artifact(name).is_some_and(|code| code.len() > 300), "{name}");
    }
    assert!(abi::artifact("VitrineFactory.json").is_none());
    // What only tests deploy is not carried inside anything.
    assert!(abi::artifact("OwnedWallet").is_none() && abi::artifact("HostileTrue").is_none());
    assert!(abi::json_abi("manifest").is_none());
}
