//! auth from outside: through its door, with certificates, on real stores; the services it asks are played here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod fleet;
mod revocation;
mod sign_in;
mod world;
