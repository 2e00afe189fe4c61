//! The words of the wire: what one service writes, every other reads for years.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod orders;
mod ranges;
