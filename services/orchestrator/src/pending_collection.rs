//! Tells the catalog of a collection that is about to be, or that will not be after all.

use crate::{
    ask::CreateAsk,
    error::Error,
    model::{Intent, PendingCollection},
    peers::Peers,
};

/// Tells what is due; answers with what the catalog has heard now. What it did not hear stays due.
pub(crate) async fn tell_catalog(peers: &Peers, intent: &Intent) -> PendingCollection {
    match intent.pending {
        PendingCollection::PutDue => {
            let Ok(ask) = serde_json::from_value::<CreateAsk>(intent.payload.clone()) else {
                tracing::error!(intent.id = %intent.intent_id, "the stored request is not a create");
                return PendingCollection::None;
            };
            match peers.put_pending(intent, &ask).await {
                Ok(()) => PendingCollection::Put,
                // What will never be heard is not said for ever.
                Err(err @ Error::Conflict(_)) => {
                    tracing::error!(intent.id = %intent.intent_id, error = %err, "the catalog takes no pending collection");
                    PendingCollection::None
                }
                Err(_) => PendingCollection::PutDue,
            }
        }
        PendingCollection::RemoveDue => match peers.remove_pending(intent.intent_id).await {
            Ok(()) => PendingCollection::Removed,
            Err(err @ Error::Conflict(_)) => {
                tracing::error!(intent.id = %intent.intent_id, error = %err, "the catalog removes no pending collection");
                PendingCollection::Removed
            }
            Err(_) => PendingCollection::RemoveDue,
        },
        told => told,
    }
}
