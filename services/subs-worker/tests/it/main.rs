//! subs-worker on a real broker and a real Redis.

#![expect(clippy::unwrap_used, reason = "a rig that cannot go on fails the test where it stands")]

mod orchestrator;
mod watches;
mod worker;
