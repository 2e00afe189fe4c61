//! The hashes that may carry a step.

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
        "select step_id, tx_hash, state, nonce, taker_hash, mined_block, mined_block_hash, reported_at, asked_at
         from tx_candidates where intent_id = $1 order by reported_at desc, tx_hash limit 64",
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
                taker: row.taker_hash.map(|hash| hash.parse()).transpose().map_err(decode)?,
                block: match (row.mined_block, row.mined_block_hash) {
                    (Some(number), Some(hash)) => {
                        Some((number.unsigned_abs(), hash.parse().map_err(decode)?))
                    }
                    _ => None,
                },
                reported_at: Some(row.reported_at),
                asked_at: row.asked_at,
            })
        })
        .collect()
}

/// Adds a hash to a step; false when the step has it, or when it is proven and carries another step. `act` says whose
/// act in the transaction it is, once that is known.
pub(crate) async fn insert_candidate(
    tx: &mut PgConnection,
    intent: &Intent,
    candidate: &Candidate,
    source: Source,
    act: &str,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into tx_candidates (step_id, tx_hash, intent_id, chain_id, source, state, nonce, reported_at, judged_at,
                                    act, mined_block, mined_block_hash)
         values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), case when $6 <> 'UNSEEN' then now() end, $8, $9, $10)
         on conflict do nothing",
        candidate.step_id.0,
        candidate.tx_hash.to_string(),
        intent.intent_id.0,
        intent.chain_id.to_string(),
        source.as_str(),
        candidate.judgement.as_str(),
        candidate.nonce.map(u64::cast_signed),
        act,
        candidate.block.map(|(number, _)| number.cast_signed()),
        candidate.block.map(|(_, hash)| hash.to_string()),
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Writes what was seen of a hash; whose act it is is kept where nothing is said of it now.
pub(crate) async fn update_candidate(
    tx: &mut PgConnection,
    candidate: &Candidate,
    act: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update tx_candidates set state = $3, nonce = $4, act = case when $5 = '' then act else $5 end,
                judged_at = case when state = $3 then judged_at else now() end, taker_hash = $6, mined_block = $7,
                mined_block_hash = $8, asked_at = $9
         where step_id = $1 and tx_hash = $2",
        candidate.step_id.0,
        candidate.tx_hash.to_string(),
        candidate.judgement.as_str(),
        candidate.nonce.map(u64::cast_signed),
        act,
        candidate.taker.map(|hash| hash.to_string()),
        candidate.block.map(|(number, _)| number.cast_signed()),
        candidate.block.map(|(_, hash)| hash.to_string()),
        candidate.asked_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets a hash that was refused, so that it can be reported again.
pub(crate) async fn delete_refused(
    tx: &mut PgConnection,
    step_id: StepId,
    tx_hash: TxHash,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from tx_candidates where step_id = $1 and tx_hash = $2 and state = 'REFUSED'",
        step_id.0,
        tx_hash.to_string()
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether this act of a transaction carries another intent.
pub(crate) async fn is_taken(
    db: impl PgExecutor<'_>,
    intent: &Intent,
    tx_hash: TxHash,
    act: &str,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query_scalar!(
        "select exists (select from tx_candidates
         where chain_id = $1 and tx_hash = $2 and act = $3 and state = 'VERIFIED' and intent_id <> $4)",
        intent.chain_id.to_string(),
        tx_hash.to_string(),
        act,
        intent.intent_id.0
    )
    .fetch_one(db)
    .await?;
    Ok(taken.unwrap_or_default())
}

/// The intents that these transactions carry, or may carry: what is proven first, since anybody may name any hash for
/// intents of their own.
pub(crate) async fn list_carried(
    db: impl PgExecutor<'_>,
    chain_id: ChainId,
    tx_hashes: &[TxHash],
) -> Result<Vec<IntentId>, sqlx::Error> {
    let hashes: Vec<String> = tx_hashes.iter().map(TxHash::to_string).collect();
    let ids = sqlx::query_scalar!(
        "select intent_id from tx_candidates where chain_id = $1 and tx_hash = any($2) and state <> 'REFUSED'
         group by intent_id order by bool_or(state = 'VERIFIED') desc, intent_id limit 1000",
        chain_id.to_string(),
        &hashes
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(IntentId).collect())
}
