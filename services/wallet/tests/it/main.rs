//! wallet from outside: through its door, with certificates, on real stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod approvals;
mod crash;
mod door;
mod fleet;
mod linking;
mod world;
