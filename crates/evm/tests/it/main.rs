//! The node against a real chain, and against endpoints that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod blame;
mod failover;
mod heads;
mod lies;
mod logs;
mod many;
mod reads;
mod sockets;
