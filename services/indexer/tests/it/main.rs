//! The indexer on a real chain and real stores: what it tells, once, and takes back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backfill;
mod crash;
mod door;
mod foreign;
mod leases;
mod liars;
mod oracle;
mod outages;
mod payers;
mod probe;
mod reorgs;
mod replay;
mod rewind;
mod rig;
mod sockets;
mod status;
mod tells;
mod verify;
