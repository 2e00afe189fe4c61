//! The launcher of the repository: stores, services, checks and tests, each by one command.
//!
//! It builds in seconds and knows nothing about the business: what needs the services' own code (the demo, the proof,
//! dead letters, contracts) is the crate `desk`, which this one builds and runs.

use std::path::PathBuf;

pub mod bench;
pub mod cache;
pub mod check;
pub mod fleet;
pub mod http;
pub mod interrupt;
pub mod ports;
pub mod preflight;
pub mod prepare_queries;
pub mod process;
pub mod progress;
pub mod rehearse;
pub mod run_tests;
pub mod secrets;
pub mod services;
pub mod soak;
pub mod sockets;
pub mod status;
pub mod stores;
pub mod trial_stores;
pub mod up;

/// The folder of the clone that this program was built from.
pub fn repository() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let manifest = manifest.canonicalize().unwrap_or(manifest);
    manifest.parent().map(PathBuf::from).unwrap_or(manifest)
}
