//! **bus** is the broker edge: what is published is confirmed, what is consumed has its effect once.
//!
//! | door out | [`outbox::put`] in the transaction of the change; [`outbox::relay`] sends it later |
//! | door in  | [`consume`]: apply and mark in one transaction, acknowledge after the commit      |
//! | promises | nothing confirmed is lost; what fails is tried four times more, then kept with its reason |
//!
//! It knows queues and envelopes, and no event's meaning.

mod connect;
mod consume;
pub mod deadletter;
pub mod declare;
pub mod inbox;
mod metrics;
pub mod outbox;
mod publish;
mod relay;
pub mod rights;
mod settle;

pub use connect::Bus;
pub use consume::{DeadElement, Failure, Handled, consume, consume_many};
pub use publish::PublishError;
