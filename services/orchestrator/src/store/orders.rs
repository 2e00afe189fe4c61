//! What a wallet signed of an order, kept with the step that asked for it.

use ids::IntentId;
use sqlx::PgConnection;

/// Keeps the signature of an intent's last step; the caller holds the intent's lock.
pub(crate) async fn keep_signature(
    tx: &mut PgConnection,
    intent_id: IntentId,
    signature: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update tx_intent_steps set signature = $2
         where intent_id = $1 and kind = 'SIGNATURE'
           and position = (select max(position) from tx_intent_steps where intent_id = $1)",
        intent_id.0,
        signature
    )
    .execute(tx)
    .await?;
    Ok(())
}
