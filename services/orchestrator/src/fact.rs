//! The intent as the world hears of it: on the broker, and in the mirror of its state.

use events::intents::IntentUpserted;
use ids::OrderId;

use crate::model::Intent;

/// The fact of an intent's newest revision.
pub(crate) fn fact(intent: &Intent) -> IntentUpserted {
    IntentUpserted {
        intent_id: intent.intent_id,
        created_by: intent.created_by,
        kind: intent.kind.as_str().to_owned(),
        status: intent.status.as_str().to_owned(),
        chain_id: intent.chain_id,
        contract: intent.contract,
        preview_address: intent.preview_address,
        token_ids: intent.token_ids.clone(),
        tx_hash: intent.tx_hash,
        confirmations: intent.confirmations,
        required_confirmations: intent.required_confirmations,
        error_code: intent.problem.as_ref().map(|problem| problem.code.clone()),
        error_message: intent.problem.as_ref().map(|problem| problem.message.clone()),
        order_id: intent.order_id.map(OrderId),
        revision: intent.revision,
        deadline_at: intent.deadline_at,
        created_at: intent.created_at,
        updated_at: intent.updated_at,
    }
}
