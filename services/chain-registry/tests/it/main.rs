//! Chain-registry as it runs: over mutual TLS, on a real database.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod abis;
mod audits;
mod enables;
mod fees;
mod proxies;
mod reads;
mod rig;
mod seeds;
mod watches;
mod writes;
