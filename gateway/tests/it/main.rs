//! The gateway from outside: its schema, and its doors with certificates before services that are played here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod auth_door;
mod deliveries;
mod fleet;
mod nulls;
mod origins;
mod permissions;
mod revocations;
mod schema;
mod sessions;
mod signing;
mod sockets;
mod twins;
