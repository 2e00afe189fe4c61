//! Raw events in MongoDB, one document a log, named so that writing twice is writing once.
//!
//! Hot paths insert, or look up by `_id`. Nothing else is asked of the store while a chain is followed.

use std::{borrow::Cow, time::Duration};

use alloy_primitives::{B256, Bytes};
use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use futures::{StreamExt, TryStreamExt, stream};
use ids::{Address, BlockHash, ChainId, TxHash};
use mongodb::{
    Client, Collection, IndexModel,
    error::{Error as MongoError, ErrorKind, InsertManyError},
    options::ClientOptions,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    model::{Log, Role},
};

/// Longer than any single operation may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Documents sent at once.
const AT_ONCE: usize = 1000;
/// Updates in flight while documents are brought into line.
const IN_FLIGHT: usize = 8;
/// Logs of one transaction that are shown at most.
const MOST_SHOWN: i64 = 1000;
/// The server's word for a key that is there already.
const DUPLICATE_KEY: i32 = 11000;

/// A log as it is kept. The names are the documents' own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RawEvent {
    /// `{chainId}/{blockHash}/{logIndex}`.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    #[serde(rename = "chainId")]
    pub(crate) chain_id: ChainId,
    #[serde(rename = "blockHash")]
    pub(crate) block_hash: BlockHash,
    #[serde(rename = "logIndex")]
    pub(crate) log_index: u32,
    #[serde(rename = "txHash")]
    pub(crate) tx_hash: TxHash,
    /// Who sent the transaction; not in older documents.
    #[serde(rename = "txFrom", default, skip_serializing_if = "Option::is_none")]
    pub(crate) tx_from: Option<Address>,
    pub(crate) block_number: i64,
    pub(crate) block_time: bson::DateTime,
    pub(crate) contract: Address,
    /// What the contract was followed as: a role's word; not in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) standard: Option<Cow<'static, str>>,
    /// Empty where the log is of no event that we know.
    pub(crate) event_type: Cow<'static, str>,
    /// `topics`, one after the other as bytes (in older documents each as text), and `data`. `facts` only where they
    /// cannot be had from both again, because the contract was asked (in older documents always, but not always all).
    pub(crate) event_data: Bson,
    pub(crate) canonical: bool,
    pub(crate) generation: i32,
}

/// The name of a log's document.
pub(crate) fn raw_id(chain_id: ChainId, block: BlockHash, log_index: impl std::fmt::Display) -> String {
    format!("{chain_id}/{block}/{log_index}")
}

/// The part of a document that is the log's own.
pub(crate) fn event_data(topics: &[B256], data: &Bytes, facts: Option<Bson>) -> Bson {
    let binary = |bytes| Binary { subtype: BinarySubtype::Generic, bytes };
    let mut held = doc! { "topics": binary(topics.concat()), "data": binary(data.to_vec()) };
    if let Some(facts) = facts {
        held.insert("facts", facts);
    }
    held.into()
}

impl RawEvent {
    /// The log as the node gave it; `None` where the document is not of any form that was ever written.
    pub(crate) fn log(&self) -> Option<Log> {
        let held = self.event_data.as_document()?;
        let topics = match held.get("topics")? {
            Bson::Binary(bytes) if bytes.bytes.len().is_multiple_of(32) => {
                bytes.bytes.chunks_exact(32).map(B256::from_slice).collect()
            }
            Bson::Array(topics) => {
                topics.iter().map(|topic| topic.as_str()?.parse().ok()).collect::<Option<_>>()?
            }
            _ => return None,
        };
        let data = match held.get("data")? {
            Bson::Binary(bytes) => Bytes::copy_from_slice(&bytes.bytes),
            _ => return None,
        };
        let (address, tx_hash, log_index) = (self.contract, self.tx_hash, self.log_index);
        Some(Log { address, topics, data, tx_hash, log_index })
    }

    /// What the contract was followed as, where the document says it.
    pub(crate) fn role(&self) -> Option<Role> {
        Role::parse(self.standard.as_deref()?)
    }

    /// What was kept of the decoded facts.
    pub(crate) fn facts(&self) -> Option<&Bson> {
        self.event_data.as_document()?.get("facts")
    }
}

/// A raw event's place in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawPlace {
    pub(crate) block_number: i64,
    pub(crate) block_hash: BlockHash,
    pub(crate) log_index: u32,
}

impl RawPlace {
    pub(crate) fn of(event: &RawEvent) -> RawPlace {
        let RawEvent { block_number, block_hash, log_index, .. } = *event;
        RawPlace { block_number, block_hash, log_index }
    }
}

/// Which raw events are listed.
#[derive(Debug, Clone)]
pub(crate) struct RawSearch {
    pub(crate) chain_id: ChainId,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) contract: Option<Address>,
    pub(crate) event_type: Option<String>,
    pub(crate) after: Option<RawPlace>,
}

impl RawSearch {
    fn filter(&self) -> Document {
        let mut filter = doc! {
            "chainId": self.chain_id.to_string(),
            "block_number": { "$gte": self.from.cast_signed(), "$lte": self.to.cast_signed() },
        };
        if let Some(contract) = self.contract {
            filter.insert("contract", contract.to_lower());
        }
        if let Some(event_type) = &self.event_type {
            filter.insert("event_type", event_type);
        }
        if let Some(RawPlace { block_number, block_hash, log_index }) = self.after {
            let (hash, index) = (block_hash.to_string(), i64::from(log_index));
            let behind = [
                doc! { "block_number": { "$gt": block_number } },
                doc! { "block_number": block_number, "blockHash": { "$gt": &hash } },
                doc! { "block_number": block_number, "blockHash": &hash, "logIndex": { "$gt": index } },
            ];
            filter.insert("$or", behind.to_vec());
        }
        filter
    }
}

/// The collection `raw`.
#[derive(Clone)]
pub(crate) struct RawStore {
    events: Collection<RawEvent>,
}

impl RawStore {
    /// Does not wait for the server; every operation is bounded by itself.
    pub(crate) async fn connect(url: &launch::Secret, database: &str) -> anyhow::Result<RawStore> {
        // The parser's message may quote the URL, and with it the password.
        let mut options = ClientOptions::parse(url.expose())
            .await
            .map_err(|_| anyhow::anyhow!("mongo_url is not a MongoDB connection string"))?;
        options.app_name = Some("indexer".to_owned());
        options.server_selection_timeout = Some(Duration::from_secs(3));
        options.connect_timeout = Some(Duration::from_secs(3));
        Ok(RawStore { events: Client::with_options(options)?.database(database).collection("raw") })
    }

    /// Whether the server answers.
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        let database = self.events.client().database(&self.events.namespace().db);
        within(async move { database.run_command(doc! { "ping": 1 }).await }).await?;
        Ok(())
    }

    /// The indexes by which people look up a transaction or a range of blocks; safe to repeat.
    pub(crate) async fn create_indexes(&self) -> Result<(), Error> {
        for keys in [doc! { "chainId": 1, "txHash": 1 }, doc! { "chainId": 1, "block_number": 1 }] {
            let index = IndexModel::builder().keys(keys).build();
            within(async { self.events.create_index(index).await }).await?;
        }
        Ok(())
    }

    /// Writes documents; those that are there already are left as they are.
    pub(crate) async fn insert(&self, events: &[RawEvent]) -> Result<(), Error> {
        for some in events.chunks(AT_ONCE) {
            match within(async { self.events.insert_many(some).ordered(false).await }).await {
                Err(Error::Raw(err)) if is_only_duplicates(&err) => {}
                result => drop(result?),
            }
        }
        Ok(())
    }

    /// Says of a block's documents whether they are canonical. Documents that are not there are not missed.
    pub(crate) async fn mark(
        &self,
        ids: Vec<String>,
        is_canonical: bool,
        generation: i32,
    ) -> Result<(), Error> {
        let change = doc! { "$set": { "canonical": is_canonical, "generation": generation } };
        stream::iter(ids)
            .map(|id| {
                let change = change.clone();
                within(async move { self.events.update_one(doc! { "_id": id }, change).await })
            })
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(|_| async { Ok(()) })
            .await
    }

    /// The documents of blocks of these heights, on whatever branch, in the order of the chain. For operators' jobs: the
    /// caller keeps the range small.
    pub(crate) async fn list_of_blocks(
        &self,
        chain_id: ChainId,
        from: u64,
        to: u64,
    ) -> Result<Vec<RawEvent>, Error> {
        let filter = doc! {
            "chainId": chain_id.to_string(),
            "block_number": { "$gte": from.cast_signed(), "$lte": to.cast_signed() },
        };
        let mut found: Vec<RawEvent> =
            within(async { self.events.find(filter).await?.try_collect().await }).await?;
        found.sort_by_key(|event| (event.block_number, event.block_hash, event.log_index));
        Ok(found)
    }

    /// A page of the logs of a range, on whatever branch, by height, block and index. For people, as the one below.
    pub(crate) async fn list_page(&self, search: &RawSearch, size: usize) -> Result<Vec<RawEvent>, Error> {
        let order = doc! { "block_number": 1, "blockHash": 1, "logIndex": 1 };
        let limit = i64::try_from(size).unwrap_or(MOST_SHOWN).min(MOST_SHOWN);
        let found = self.events.find(search.filter()).sort(order).limit(limit);
        within(async { found.await?.try_collect().await }).await
    }

    /// The logs of a transaction in every block that ever held it, in the order of the chain. For people: the stand-in
    /// for MongoDB scans here, so the time is bounded and no service may build on it.
    pub(crate) async fn list_of_transaction(
        &self,
        chain_id: ChainId,
        tx: TxHash,
    ) -> Result<Vec<RawEvent>, Error> {
        let filter = doc! { "chainId": chain_id.to_string(), "txHash": tx.to_string() };
        let mut found: Vec<RawEvent> =
            within(async { self.events.find(filter).limit(MOST_SHOWN).await?.try_collect().await }).await?;
        found.sort_by_key(|event| (event.block_number, event.block_hash, event.log_index));
        Ok(found)
    }
}

async fn within<T>(operation: impl Future<Output = Result<T, MongoError>>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, operation).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::RawTimeout(PATIENCE)),
    }
}

fn is_only_duplicates(err: &MongoError) -> bool {
    let ErrorKind::InsertMany(InsertManyError {
        write_errors: Some(errors), write_concern_error: None, ..
    }) = &*err.kind
    else {
        return false;
    };
    !errors.is_empty() && errors.iter().all(|error| error.code == DUPLICATE_KEY)
}

/// Of which block a document is, and whether that calls itself canonical.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct RawMark {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) block_number: i64,
    #[serde(rename = "blockHash")]
    pub(crate) block_hash: BlockHash,
    #[serde(rename = "logIndex")]
    pub(crate) log_index: u32,
    pub(crate) canonical: bool,
    pub(crate) generation: i32,
}

impl RawStore {
    /// As [`RawStore::list_of_blocks`], without what the logs say.
    pub(crate) async fn list_marks(
        &self,
        chain_id: ChainId,
        from: u64,
        to: u64,
    ) -> Result<Vec<RawMark>, Error> {
        let filter = doc! {
            "chainId": chain_id.to_string(),
            "block_number": { "$gte": from.cast_signed(), "$lte": to.cast_signed() },
        };
        let fields =
            doc! { "block_number": 1, "blockHash": 1, "logIndex": 1, "canonical": 1, "generation": 1 };
        let events = self.events.clone_with_type::<RawMark>();
        let mut found: Vec<RawMark> =
            within(async { events.find(filter).projection(fields).await?.try_collect().await }).await?;
        found.sort_by_key(|mark| (mark.block_number, mark.block_hash, mark.log_index));
        Ok(found)
    }
}
