//! How an endpoint stands, for people who look at it.

use std::time::Duration;

/// One endpoint as this process sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Without path and port: they may hold a key.
    pub host: String,
    /// Why it is asked last: `limited`, `lagging`, `failing`, `lying`, `other_chain`, of a socket `silent`. None where
    /// it is in use.
    pub left: Option<&'static str>,
    /// After this time it is tried again, where it was left.
    pub back_in: Option<Duration>,
    /// The newest block that it told of within the last moments. What a socket says is not kept.
    pub head: Option<u64>,
    /// Of questions, or of heads that a socket told; since it was first known to this process.
    pub answers: u64,
    pub failures: u64,
    /// Of late.
    pub latency: Option<Duration>,
    /// Whether it tells of heads and is asked nothing.
    pub is_socket: bool,
    /// Whether heads arrive from it.
    pub is_subscribed: bool,
}
