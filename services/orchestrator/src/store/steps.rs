//! Where the steps of an intent are.

use ids::{IntentId, StepId};
use sqlx::PgConnection;

use crate::conclude::StepState;

/// Writes where a step is.
pub(crate) async fn update_step(
    tx: &mut PgConnection,
    step_id: StepId,
    state: &StepState,
) -> Result<(), sqlx::Error> {
    let problem = state.problem.as_ref();
    sqlx::query!(
        "update tx_intent_steps set status = $2, tx_hash = $3, error = $4, error_code = $5 where step_id = $1",
        step_id.0,
        state.status.as_str(),
        state.tx_hash.map(|hash| hash.to_string()),
        problem.map(|problem| problem.message.as_str()),
        problem.map(|problem| problem.code.as_str()),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes where the last step is.
pub(crate) async fn update_last_step(
    tx: &mut PgConnection,
    intent_id: IntentId,
    state: &StepState,
) -> Result<(), sqlx::Error> {
    let problem = state.problem.as_ref();
    sqlx::query!(
        "update tx_intent_steps set status = $2, tx_hash = $3, error = $4, error_code = $5
         where intent_id = $1
           and position = (select max(position) from tx_intent_steps where intent_id = $1)",
        intent_id.0,
        state.status.as_str(),
        state.tx_hash.map(|hash| hash.to_string()),
        problem.map(|problem| problem.message.as_str()),
        problem.map(|problem| problem.code.as_str()),
    )
    .execute(tx)
    .await?;
    Ok(())
}
