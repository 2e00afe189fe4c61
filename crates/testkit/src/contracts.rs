//! The contracts that only tests deploy: wallets that are contracts, and hostile ones.

use std::path::Path;

use alloy::primitives::Bytes;

/// The creation bytecode of a contract of `contracts/src/test`, by its Solidity name; constructor arguments are appended
/// to it.
pub fn trial_contract(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../contracts/out/test/{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let file: serde_json::Value = serde_json::from_str(&text).expect("the compile script writes JSON");
    let code = file["bytecode"].as_str().expect("the compile script writes a bytecode into each file");
    code.parse().expect("the compile script writes hex")
}

/// Whether the packages of `contracts/` have to be there. `cargo xtask test` installs them and sets the variable.
pub fn contracts_npm_is_due() -> bool {
    std::env::var_os("VITRINE_CONTRACTS_NPM").is_some_and(|value| value == "1")
}
