//! A contract said that metadata changed: the known tokens concerned are asked for again.

use std::time::Duration;

use bigdecimal::BigDecimal;
use events::{ChainEvent, mints::MetadataChanged};
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    error::Error,
    model::Entry,
    record::record,
    store::{self, metadata},
};

const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn apply_metadata(db: &PgPool, entries: &[Entry]) -> Result<(), Error> {
    let mut tx = store::begin(db).await?;
    let recorded = record(&mut tx, entries).await?;
    let ranges: Vec<_> = recorded.flips.iter().filter_map(|flip| range(&flip.entry)).collect();
    if !ranges.is_empty() {
        metadata::request_ranges(&mut tx, &ranges, NOT_AGAIN_WITHIN).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn range(entry: &Entry) -> Option<(Uuid, BigDecimal, BigDecimal)> {
    let event = ChainEvent::<MetadataChanged>::deserialize(entry.fact.as_ref()?).ok()?;
    let (first, last) = match event.fact {
        MetadataChanged::Range { from_token_id, to_token_id } => (from_token_id, to_token_id),
        MetadataChanged::Uri { token_id, .. } => (token_id, token_id),
        // What is frozen was read when it last changed; a lock is about moving.
        MetadataChanged::Frozen { .. }
        | MetadataChanged::Locked { .. }
        | MetadataChanged::Unlocked { .. } => {
            return None;
        }
    };
    Some((entry.collection_id?, amounts::to_decimal(first.number()), amounts::to_decimal(last.number())))
}
