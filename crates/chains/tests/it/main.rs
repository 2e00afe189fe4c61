//! The watch against a registry that changes, breaks off, is away and comes back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod watches;
