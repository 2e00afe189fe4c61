//! Raw events in MongoDB, one document a log, named so that writing twice is writing once.
//!
//! Hot paths insert, or look up by `_id`. Nothing else is asked of the store while a chain is followed.

use std::time::Duration;

use bson::{Bson, doc};
use futures::{StreamExt, TryStreamExt, stream};
use ids::{BlockHash, ChainId, TxHash};
use mongodb::{
    Client, Collection, IndexModel,
    error::{Error as MongoError, ErrorKind, InsertManyError},
    options::ClientOptions,
};
use serde::{Deserialize, Serialize};

use crate::error::Error;

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
    pub(crate) block_number: i64,
    pub(crate) block_time: bson::DateTime,
    /// Lower case.
    pub(crate) contract: ids::Address,
    /// Empty where the log is of no event that we know.
    pub(crate) event_type: String,
    /// `topics`, `data`, and `facts`: what was decoded.
    pub(crate) event_data: Bson,
    pub(crate) canonical: bool,
    pub(crate) generation: i32,
}

/// The name of a log's document.
pub(crate) fn raw_id(chain_id: ChainId, block: BlockHash, log_index: impl std::fmt::Display) -> String {
    format!("{chain_id}/{block}/{log_index}")
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

    /// The index by which people look a transaction up; safe to repeat.
    pub(crate) async fn create_indexes(&self) -> Result<(), Error> {
        let index = IndexModel::builder().keys(doc! { "chainId": 1, "txHash": 1 }).build();
        within(async { self.events.create_index(index).await }).await?;
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
