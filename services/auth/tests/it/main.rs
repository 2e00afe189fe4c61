//! auth from outside: through its door, with certificates, on real stores; the services it asks are played here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod audit;
mod awkward;
mod contract_wallet;
mod fleet;
mod keys;
mod limits;
mod ownership;
mod parallel;
mod quiet_node;
mod refresh;
mod revocation;
mod sessions;
mod sign_in;
mod withdrawn;
mod world;
