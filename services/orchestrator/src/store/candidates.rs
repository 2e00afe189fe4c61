//! The hashes that may carry a step.

use std::collections::HashSet;

use ids::{ChainId, IntentId, StepId, TxHash};
use sqlx::{PgConnection, PgExecutor};

use crate::{
    model::{Candidate, Intent, Judgement, Source},
    store::{decode, word},
};

/// The hashes that were named for an intent, newest first.
pub(crate) async fn list_candidates(
    db: impl PgExecutor<'_>,
    intent_id: IntentId,
) -> Result<Vec<Candidate>, sqlx::Error> {
    let rows = sqlx::query!(
        "select step_id, tx_hash, state, nonce from tx_candidates where intent_id = $1
         order by reported_at desc, tx_hash limit 64",
        intent_id.0
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Candidate {
                step_id: StepId(row.step_id),
                tx_hash: row.tx_hash.parse().map_err(decode)?,
                judgement: word(Judgement::from_word(&row.state), "state")?,
                nonce: row.nonce.map(i64::unsigned_abs),
            })
        })
        .collect()
}

/// Adds a hash to a step; false when the step has it, or when it is proven and carries another step.
pub(crate) async fn insert_candidate(
    tx: &mut PgConnection,
    intent: &Intent,
    candidate: &Candidate,
    source: Source,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into tx_candidates (step_id, tx_hash, intent_id, chain_id, source, state, nonce, reported_at, judged_at)
         values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), case when $6 <> 'UNSEEN' then now() end)
         on conflict do nothing",
        candidate.step_id.0,
        candidate.tx_hash.to_string(),
        intent.intent_id.0,
        intent.chain_id.to_string(),
        source.as_str(),
        candidate.judgement.as_str(),
        candidate.nonce.map(u64::cast_signed),
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Writes what was seen of a hash.
pub(crate) async fn judge(
    tx: &mut PgConnection,
    intent_id: IntentId,
    tx_hash: TxHash,
    judgement: Judgement,
    nonce: Option<u64>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update tx_candidates set state = $3, nonce = $4, judged_at = now() where intent_id = $1 and tx_hash = $2",
        intent_id.0,
        tx_hash.to_string(),
        judgement.as_str(),
        nonce.map(u64::cast_signed),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Which of these transactions carry another intent.
pub(crate) async fn list_taken(
    db: impl PgExecutor<'_>,
    intent: &Intent,
    tx_hashes: &[TxHash],
) -> Result<HashSet<TxHash>, sqlx::Error> {
    let hashes: Vec<String> = tx_hashes.iter().map(TxHash::to_string).collect();
    let taken = sqlx::query_scalar!(
        "select tx_hash from tx_candidates
         where chain_id = $1 and tx_hash = any($2) and state = 'VERIFIED' and intent_id <> $3",
        intent.chain_id.to_string(),
        &hashes,
        intent.intent_id.0
    )
    .fetch_all(db)
    .await?;
    taken.iter().map(|hash| hash.parse().map_err(decode)).collect()
}

/// The intents that these transactions are proven to carry.
pub(crate) async fn list_verified(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    tx_hashes: &[TxHash],
) -> Result<Vec<IntentId>, sqlx::Error> {
    let hashes: Vec<String> = tx_hashes.iter().map(TxHash::to_string).collect();
    let ids = sqlx::query_scalar!(
        "select intent_id from tx_candidates where chain_id = $1 and tx_hash = any($2) and state = 'VERIFIED'",
        chain_id.to_string(),
        &hashes
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(IntentId).collect())
}
