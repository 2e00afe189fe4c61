//! The service as the fleet sees it: over mutual TLS, on real stores, with a real chain.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bytes;
mod metadata;
mod pins;
mod relay;
mod running;
mod uploads;
