//! Cancels an intent that has no transaction yet. Cancelling twice is cancelling once.

use ids::{IntentId, UserId};

use crate::{
    change::write_change,
    error::Error,
    intent::{Fact, Outlook},
    model::{Intent, Status},
    prepare::Tools,
    store::{self, Settled},
};

pub(crate) async fn cancel_intent(
    tools: &Tools,
    user_id: UserId,
    intent_id: IntentId,
) -> Result<Intent, Error> {
    let mut tx = tools.db.begin().await?;
    let found = store::lock_intent(&mut tx, intent_id).await?;
    let before = found.filter(|intent| intent.created_by == user_id).ok_or(Error::NotFound("intent"))?;
    if before.status == Status::Cancelled {
        return Ok(before);
    }
    let mut after = before.clone();
    if !after.apply(&Fact::CancelAsked) || after.status != Status::Cancelled {
        return Err(Error::Conflict(format!("the intent is {}", before.status.as_str())));
    }
    let now = store::clock(&mut *tx).await?;
    write_change(&mut tx, &before, &mut after, "cancelled", now).await?;
    let settled = Settled {
        pending: after.pending,
        next_look_at: after.next_look(now, Outlook::default()),
        claimed_until: None,
    };
    store::settle(&mut tx, intent_id, &settled).await?;
    tx.commit().await?;
    tools.statuses.put(&after);
    Ok(after)
}
