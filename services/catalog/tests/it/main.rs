//! The catalog from outside: facts in any order against a model, and calls at its door.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apply_once;
mod door;
mod fake;
mod history;
mod holders;
mod metadata;
mod naive;
mod orders;
mod owner_stats;
mod ranges;
mod rig;
mod told;
mod whatever_order;
