//! Everything that orchestrator says to its stores: one function a statement.

pub(crate) mod allowlists;
mod candidates;
mod catalogued;
mod intents;
mod orders;
mod prepared;
mod statuses;
mod steps;
mod tracker;

pub(crate) use candidates::{
    delete_refused, insert_candidate, is_taken, list_candidates, list_carried, update_candidate,
};
pub(crate) use catalogued::{insert_catalogued_txs, list_catalogued, upsert_catalogued};
pub(crate) use intents::{
    clock, find_by_request, find_intent, find_of_user, list_by_salts, list_page, lock_intent, update_intent,
};
pub(crate) use orders::keep_signature;
pub(crate) use prepared::{insert_audit, insert_intent, insert_step, is_being_made, list_steps};
pub(crate) use statuses::Statuses;
pub(crate) use steps::{update_last_step, update_step};
pub(crate) use tracker::{Settled, claim_due, list_followed, release, release_told, settle, sweep, wake};

/// A stored value that no write of ours can have put there.
pub(crate) fn decode(err: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(err))
}

/// A stored word of a closed list.
pub(crate) fn word<T>(found: Option<T>, column: &'static str) -> Result<T, sqlx::Error> {
    found.ok_or_else(|| sqlx::Error::Decode(format!("{column} holds a word of no meaning").into()))
}
