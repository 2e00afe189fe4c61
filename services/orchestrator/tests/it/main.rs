//! Orchestrator as it runs: over mutual TLS, on a real database and broker, with a real chain.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod fakes;
mod follows;
mod prepares;
mod rig;
mod tracks;
