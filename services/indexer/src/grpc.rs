//! The door for calls.

use std::collections::HashMap;

use ids::{BlockHash, ChainId, TxHash};
use proto::{common::v1 as common, indexer::v1 as pb};
use serde_json::{Value, json};
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    error::Error,
    model::{BlockRef, Checkpoint},
    progress::Progress,
    store::{self, Stores, raw::RawEvent},
};
use pb::indexer_service_server::{IndexerService, IndexerServiceServer};

struct Door {
    stores: Stores,
    progress: Progress,
}

/// What is served.
pub(crate) fn routes(stores: Stores, progress: Progress) -> Routes {
    Routes::new(IndexerServiceServer::new(Door { stores, progress }))
}

#[tonic::async_trait]
impl IndexerService for Door {
    async fn list_checkpoints(
        &self,
        request: Request<pb::ListCheckpointsRequest>,
    ) -> Result<Response<pb::ListCheckpointsResponse>, Status> {
        let asked = request.into_inner().chain_id;
        let chain_id = if asked.is_empty() { None } else { Some(parse("chain_id", &asked)?) };
        let mut checkpoints = store::chain::list_checkpoints(&self.stores.db, chain_id).await?;
        let seen = self.progress.all();
        for checkpoint in &mut checkpoints {
            // The row tells of the head as of the last commit; who follows the chain may know a newer one.
            let head = seen.get(&checkpoint.chain_id).and_then(|seen| seen.head);
            checkpoint.head =
                head.filter(|head| head.number > checkpoint.head.number).unwrap_or(checkpoint.head);
        }
        let checkpoints = checkpoints.into_iter().map(pb::Checkpoint::from).collect();
        Ok(Response::new(pb::ListCheckpointsResponse { checkpoints }))
    }

    async fn get_transaction_events(
        &self,
        request: Request<pb::GetTransactionEventsRequest>,
    ) -> Result<Response<pb::GetTransactionEventsResponse>, Status> {
        let asked = request.into_inner();
        let chain_id: ChainId = parse("chain_id", &asked.chain_id)?;
        let tx_hash: TxHash = parse("tx_hash", &asked.tx_hash)?;
        let found = self.stores.raw.list_of_transaction(chain_id, tx_hash).await?;
        let blocks: Vec<BlockHash> = found.iter().map(|event| event.block_hash).collect();
        // The rows are the truth; the documents follow them.
        let canonical: HashMap<BlockHash, bool> =
            store::chain::list_canonical(&self.stores.db, chain_id, &blocks)
                .await
                .map_err(Error::from)?
                .into_iter()
                .collect();
        let events = found
            .into_iter()
            .map(|event| {
                let is_canonical = canonical.get(&event.block_hash).copied().unwrap_or(event.canonical);
                raw_event(event, is_canonical)
            })
            .collect();
        Ok(Response::new(pb::GetTransactionEventsResponse { events }))
    }
}

fn parse<T: std::str::FromStr<Err = ids::Invalid>>(field: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|why| Error::BadInput { field, why })
}

impl From<BlockRef> for common::BlockRef {
    fn from(block: BlockRef) -> common::BlockRef {
        let time = prost_types::Timestamp { seconds: block.time.timestamp(), nanos: 0 };
        common::BlockRef { number: block.number, hash: block.hash.to_string(), time: Some(time) }
    }
}

impl From<Checkpoint> for pb::Checkpoint {
    fn from(checkpoint: Checkpoint) -> pb::Checkpoint {
        pb::Checkpoint {
            chain_id: checkpoint.chain_id.to_string(),
            head: Some(checkpoint.head.into()),
            indexed: Some(checkpoint.indexed.into()),
            live: checkpoint.is_live(),
            reorgs: checkpoint.reorgs,
            halted: checkpoint.halted.is_some(),
        }
    }
}

fn raw_event(event: RawEvent, is_canonical: bool) -> pb::RawEvent {
    let time = prost_types::Timestamp { seconds: event.block_time.timestamp_millis() / 1000, nanos: 0 };
    let number = event.block_number.cast_unsigned();
    pb::RawEvent {
        event_type: event.event_type,
        contract: event.contract.to_lower(),
        log_index: event.log_index,
        tx_hash: event.tx_hash.to_string(),
        block: Some(common::BlockRef { number, hash: event.block_hash.to_string(), time: Some(time) }),
        data_json: shown(&event.event_data).to_string(),
        canonical: is_canonical,
    }
}

/// Topics, data and facts as JSON; the bytes as a node would write them.
fn shown(event_data: &bson::Bson) -> Value {
    let Some(fields) = event_data.as_document() else { return Value::Null };
    let data = match fields.get("data") {
        Some(bson::Bson::Binary(data)) => Value::String(alloy_primitives::hex::encode_prefixed(&data.bytes)),
        _ => Value::Null,
    };
    let plain = |name: &str| fields.get(name).and_then(|field| serde_json::to_value(field).ok());
    json!({ "topics": plain("topics"), "data": data, "facts": plain("facts") })
}
