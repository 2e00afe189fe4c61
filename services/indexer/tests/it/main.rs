//! The indexer on a real chain and real stores: what it tells, once, and takes back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod door;
mod leases;
mod liars;
mod outages;
mod reorgs;
mod rig;
mod tells;
