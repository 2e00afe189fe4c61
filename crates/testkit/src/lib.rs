//! **testkit** gives a test what it needs from outside: throw-away parts of real stores, a chain, certificates, faults.
//!
//! A dev-dependency only. It fails a test by panicking, with a sentence that says what to do.

mod broker;
mod certs;
mod chain;
mod contracts;
mod eventually;
mod liar;
mod proxy;
mod registry;
mod soak;
mod stores;

pub use broker::{TEST_STEPS, Vhost, vhost, vhost_of, vhost_with};
pub use certs::{Certs, SERVICES, certs};
pub use chain::{Chain, Deployed, KEYS, chain, chain_with};
pub use contracts::{contracts_npm_is_due, trial_contract};
pub use eventually::eventually;
pub use liar::{Liar, Lie};
pub use proxy::{Fault, Proxy};
pub use registry::{Registry, RegistryDoor, registry, registry_at};
pub use soak::{Soak, soak};
pub use stores::{TestDb, database, mongo, redis};

/// A process inside a test: operations on a free port; cancelling its `stopping()` ends it.
pub fn process(name: &'static str) -> launch::Process {
    launch::Process::for_test(name)
}

/// The address of a store, as the command that started the stores left it in the environment.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `cargo xtask test`, or `source .vitrine/test/env` after `cargo xtask stores`")
    })
}

/// Runs a clean-up to its end from a `drop`, where nothing can be awaited; bounded, and silent when it fails.
pub(crate) fn clean_up(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async { tokio::time::timeout(std::time::Duration::from_secs(10), work).await.ok() });
    });
    let _ = thread.join();
}
