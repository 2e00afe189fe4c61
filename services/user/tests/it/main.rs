//! user from outside: through its door, with certificates, on real stores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod cached;
mod door;
mod follows;
mod preferences;
mod profiles;
mod rig;
mod roles;
mod search;
mod stats;
