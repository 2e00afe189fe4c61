//! Takes in what the catalog knows of transactions, and wakes the intents that wait for it. Any order, any number of
//! times: of one entity's words the one with the highest revision stays, and the tracker draws the conclusion.

use std::collections::BTreeSet;

use ids::IntentId;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::{
    change::write_change,
    error::Error,
    intent::Fact,
    model::{Candidate, Judgement, Source, Told},
    store::{self, Statuses},
};

/// A collection is made by one transaction; a word that names many of both would name most of them wrongly.
const NAMED_MAX: usize = 64;

/// A domain message's id is `{entity}/{uuid}/{revision}`. That of a coalesced batch ends in what caused it: it is an
/// entity of its own, said once.
pub(crate) fn entity_of(event_id: &str) -> (String, i64) {
    let revision = |text: &str| text.parse::<i64>().ok().filter(|revision| *revision >= 0);
    match event_id.rsplit_once('/') {
        Some((entity, last)) if entity.split('/').count() == 2 => match revision(last) {
            Some(revision) => (entity.to_owned(), revision),
            None => (event_id.to_owned(), 0),
        },
        _ => (event_id.to_owned(), 0),
    }
}

pub(crate) async fn resolve_intent(
    db: &PgPool,
    statuses: &Statuses,
    woken: &Notify,
    told: &Told,
) -> Result<Vec<IntentId>, Error> {
    let mut tx = db.begin().await?;
    store::upsert_catalogued(&mut tx, told).await?;
    store::insert_catalogued_txs(&mut tx, told).await?;
    let waiting = store::list_carried(&mut *tx, told.chain_id, &told.tx_hashes).await?;
    let mut found: BTreeSet<IntentId> = waiting.into_iter().collect();
    let by_salt = match told.salts.len() * told.tx_hashes.len() <= NAMED_MAX {
        true => store::list_by_salts(&mut *tx, told.chain_id, &told.salts).await?,
        false => Vec::new(),
    };
    found.extend(by_salt.iter().copied());
    // Many intents may wait for one word: all are woken at once, and only those that it makes are read.
    let woken_ids: Vec<IntentId> = found.iter().copied().collect();
    store::wake(&mut tx, &woken_ids).await?;
    let mut changed = Vec::new();
    for intent_id in by_salt.iter().filter(|_| !told.is_removed) {
        let Some(before) = store::lock_intent(&mut tx, *intent_id).await? else { continue };
        let mut after = before.clone();
        // A create is one transaction.
        let steps = store::list_steps(&mut *tx, *intent_id).await?;
        let Some(step_id) = steps.last().map(|step| step.step_id) else { continue };
        for tx_hash in told.tx_hashes.iter().copied() {
            let candidate = Candidate::new(step_id, tx_hash, Judgement::Unseen, None);
            if store::insert_candidate(&mut tx, &before, &candidate, Source::Salt, "").await?
                && before.tx_hash.is_none()
            {
                after.apply(&Fact::Named(tx_hash));
            }
        }
        if after != before {
            let now = store::clock(&mut *tx).await?;
            write_change(&mut tx, &before, &mut after, "found by its salt", now).await?;
            changed.push(after.clone());
        }
    }
    tx.commit().await?;
    changed.iter().for_each(|intent| statuses.put(intent));
    woken.notify_one();
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_names_its_entity_and_its_revision() {
        assert_eq!(entity_of("token/0190-ab/7"), ("token/0190-ab".to_owned(), 7));
        let batch = "tokens/0190-ab/eip155:31337/0xabc/minted/0";
        assert_eq!(entity_of(batch), (batch.to_owned(), 0));
        assert_eq!(entity_of("strange"), ("strange".to_owned(), 0));
    }
}
