//! What an intent's order still needs: a signed one is put into the catalog, and what became of one on the chain is told
//! there. Both are said again until they are heard, so that a process that is lost in between loses nothing.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    error::Error,
    look::Follower,
    market::{ends_at, put_order, tell_order_state},
    model::{Intent, Status, Step},
};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// There was nothing to say.
    Nothing,
    /// The catalog has the signed order, under this id.
    Stored(Uuid),
    /// The catalog will never take the order; in words, why.
    Declined(String),
    /// The order's own end came before the catalog had it.
    Over,
    /// The catalog knows what became of it on the chain.
    Told,
    /// Somebody did not answer.
    Unheard,
}

pub(crate) async fn look_at_order(
    follower: &Follower,
    intent: &Intent,
    steps: &[Step],
    now: DateTime<Utc>,
) -> Order {
    let said = if intent.kind.is_signed() && intent.status == Status::Submitted {
        if ends_at(steps).is_none_or(|end| end <= now) {
            return Order::Over;
        }
        put_order(&follower.peers, intent, steps).await.map(Order::Stored)
    } else if intent.is_order_due {
        match follower.chains.get(intent.chain_id).await {
            Ok(chain) => tell_order_state(&follower.peers, &chain, intent).await.map(|()| Order::Told),
            Err(err) => Err(err),
        }
    } else {
        return Order::Nothing;
    };
    launch::failpoint("orch.order_told");
    match said {
        Ok(said) => said,
        Err(Error::OrderRefused(words)) if intent.kind.is_signed() => Order::Declined(words),
        // What will never be heard is not said for ever.
        Err(err @ (Error::OrderRefused(_) | Error::WillFail(..))) => {
            tracing::error!(intent.id = %intent.intent_id, error = %err, "the catalog will not hear of an order");
            Order::Told
        }
        Err(err) => {
            tracing::warn!(intent.id = %intent.intent_id, error = %err, "the catalog did not hear of an order");
            Order::Unheard
        }
    }
}
