//! subs-worker on a real broker and a real Redis.

mod orchestrator;
mod watches;
mod worker;
