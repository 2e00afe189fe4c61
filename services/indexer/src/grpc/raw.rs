//! Calls about raw events. Whether one counts is for the rows of blocks to say, and how settled it is for the marks of
//! now: the documents follow the one, and know nothing of the other.

use std::collections::HashMap;

use ids::{Address, BlockHash, ChainId, Hash32, TxHash};
use proto::{common::v1 as common, indexer::v1 as pb};
use serde_json::{Value, json};
use tonic::{Response, Status};

use super::{Door, parse, parse_any, timestamp};
use crate::{
    batch, decode,
    error::Error,
    store::{
        self,
        raw::{RawEvent, RawPlace, RawSearch},
    },
};

/// How much further than the first the last block of a question may be.
const MOST_BLOCKS: u64 = 10_000;
const LARGEST_PAGE: i32 = 500;
/// A word for an event is no longer than this.
const LONGEST_TYPE: usize = 64;
/// Questions to the store for one page: where most was taken back, a page is shorter instead.
const MOST_LOOKS: usize = 4;
/// Facts of one log that are shown.
const MOST_FACTS: usize = 100;

pub(super) async fn get_transaction_events(
    door: &Door,
    asked: pb::GetTransactionEventsRequest,
) -> Result<Response<pb::GetTransactionEventsResponse>, Status> {
    let chain_id: ChainId = parse("chain_id", &asked.chain_id)?;
    let tx_hash: TxHash = parse("tx_hash", &asked.tx_hash)?;
    let found = door.stores.raw.list_of_transaction(chain_id, tx_hash).await?;
    let events = shown(door, chain_id, &found).await?;
    Ok(Response::new(pb::GetTransactionEventsResponse { events }))
}

pub(super) async fn list_raw_events(
    door: &Door,
    asked: pb::ListRawEventsRequest,
) -> Result<Response<pb::ListRawEventsResponse>, Status> {
    let size = match asked.page_size {
        1..=LARGEST_PAGE => asked.page_size.unsigned_abs() as usize,
        _ => return Err(Error::field("page_size", "OUT_OF_RANGE", "must be 1 to 500").into()),
    };
    let (include_removed, mut search) = (asked.include_removed, search(asked)?);
    let (mut events, mut next) = (Vec::new(), None);
    for _ in 0..MOST_LOOKS {
        let found = door.stores.raw.list_page(&search, size).await?;
        // A page that is not full is the last one.
        let is_all = found.len() < size;
        for event in shown(door, search.chain_id, &found).await? {
            if include_removed || event.canonical {
                events.push(event);
            }
        }
        search.after = found.last().map(RawPlace::of).or(search.after);
        next = search.after.filter(|_| !is_all);
        if is_all || events.len() >= size {
            break;
        }
    }
    if events.len() > size {
        // What a second look brought too much is asked for again.
        events.truncate(size);
        next = events.last().and_then(place_of);
    }
    let next_page_token = next.map(|place| token(&place)).unwrap_or_default();
    Ok(Response::new(pb::ListRawEventsResponse { events, next_page_token }))
}

fn search(asked: pb::ListRawEventsRequest) -> Result<RawSearch, Error> {
    let chain_id: ChainId = parse("chain_id", &asked.chain_id)?;
    if asked.to_block < asked.from_block || asked.to_block - asked.from_block > MOST_BLOCKS {
        let message = "must not be below from_block, nor more than 10,000 blocks further";
        return Err(Error::field("to_block", "OUT_OF_RANGE", message));
    }
    if asked.to_block > i64::MAX.unsigned_abs() {
        return Err(Error::field("to_block", "OUT_OF_RANGE", "is no height of a block"));
    }
    if asked.event_type.len() > LONGEST_TYPE {
        return Err(Error::field("event_type", "TOO_LONG", "must be the name of an event"));
    }
    let contract: Option<Address> = parse_any("contract", &asked.contract)?;
    let after = match asked.page_token.as_str() {
        "" => None,
        token => Some(place(token).ok_or_else(|| {
            Error::field("page_token", "INVALID", "must be a position, as next_page_token gave it")
        })?),
    };
    let event_type = (!asked.event_type.is_empty()).then_some(asked.event_type);
    Ok(RawSearch { chain_id, from: asked.from_block, to: asked.to_block, contract, event_type, after })
}

fn token(place: &RawPlace) -> String {
    format!("{}.{}.{}", place.block_number, place.block_hash, place.log_index)
}

fn place(token: &str) -> Option<RawPlace> {
    let mut parts = token.split('.');
    let block_number = parts.next()?.parse().ok().filter(|number: &i64| *number >= 0)?;
    let block_hash: Hash32 = parts.next()?.parse().ok()?;
    let log_index = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(RawPlace { block_number, block_hash, log_index })
}

fn place_of(event: &pb::RawEvent) -> Option<RawPlace> {
    let block = event.block.as_ref()?;
    Some(RawPlace {
        block_number: block.number.cast_signed(),
        block_hash: block.hash.parse().ok()?,
        log_index: event.log_index,
    })
}

async fn shown(door: &Door, chain_id: ChainId, found: &[RawEvent]) -> Result<Vec<pb::RawEvent>, Error> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut blocks: Vec<BlockHash> = found.iter().map(|event| event.block_hash).collect();
    blocks.dedup();
    let db = &door.stores.db;
    let canonical: HashMap<BlockHash, bool> =
        store::chain::list_canonical(db, chain_id, &blocks).await?.into_iter().collect();
    let at = store::chain::find_checkpoint(db, chain_id).await?;
    let (safe, finalized) = at.map_or((None, None), |at| (at.safe, at.finalized));
    let shown = |event: &RawEvent| {
        let is_canonical = canonical.get(&event.block_hash).copied().unwrap_or(event.canonical);
        let number = event.block_number.cast_unsigned();
        // What was taken back is settled in no way.
        let finality = is_canonical.then(|| batch::finality(number, safe, finalized));
        let word = finality.and_then(|finality| serde_json::to_value(finality).ok());
        let word = word.as_ref().and_then(Value::as_str).unwrap_or_default();
        raw_event(event, is_canonical, word.to_owned())
    };
    Ok(found.iter().map(shown).collect())
}

fn raw_event(event: &RawEvent, canonical: bool, finality: String) -> pb::RawEvent {
    let (number, hash) = (event.block_number.cast_unsigned(), event.block_hash);
    let time = chrono::DateTime::from_timestamp_millis(event.block_time.timestamp_millis());
    pb::RawEvent {
        event_type: event.event_type.to_string(),
        contract: event.contract.to_lower(),
        log_index: event.log_index,
        tx_hash: event.tx_hash.to_string(),
        block: Some(common::BlockRef { number, hash: hash.to_string(), time: time.map(timestamp) }),
        data_json: data(event).to_string(),
        canonical,
        finality,
        generation: event.generation.cast_unsigned(),
        tx_from: event.tx_from.map(|from| from.to_lower()).unwrap_or_default(),
        event_id: events::chain::event_id(event.chain_id, hash, event.tx_hash, event.log_index, 0),
    }
}

/// Topics, data and facts as JSON; the bytes as a node would write them.
fn data(event: &RawEvent) -> Value {
    let Some(log) = event.log() else { return Value::Null };
    let topics: Vec<String> = log.topics.iter().map(ToString::to_string).collect();
    let facts = match event.facts() {
        Some(kept) => serde_json::to_value(kept).unwrap_or_default(),
        None => event.role().map(|role| decode::decode(&log, role)).map_or(json!([]), |reading| {
            reading.facts().iter().take(MOST_FACTS).map(|(index, fact)| fact_of(*index, fact)).collect()
        }),
    };
    json!({ "topics": topics, "data": log.data.to_string(), "facts": facts })
}

fn fact_of(batch_index: u32, fact: &decode::Fact) -> Value {
    let mut shown = serde_json::to_value(fact).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("batchIndex".to_owned(), batch_index.into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
        let at = RawPlace { block_number: 12, block_hash: Hash32::new([0xab; 32]), log_index: 7 };
        assert_eq!(place(&token(&at)), Some(at));
        for wrong in ["", "1", "1.2.3", &format!("{}.4", token(&at)), &token(&at).replace("12.", "-12.")] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
