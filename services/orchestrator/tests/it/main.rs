//! Orchestrator as it runs: over mutual TLS, on a real database and broker, with a real chain.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod allowlists;
mod approvals;
mod contract_accounts;
mod fakes;
mod follows;
mod journeys;
mod market;
mod market_approvals;
mod market_catalog;
mod market_guards;
mod market_older;
mod market_refusals;
mod market_sales;
mod mints;
mod prepares;
mod rig;

mod snapshots;
mod steps;
mod tracks;
mod two_processes;
