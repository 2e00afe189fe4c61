//! Mongo: the documents of assets, uploads and metadata.
//!
//! Only what MongoDB 7 and FerretDB 1.24 both have. The latter reads, changes and writes back an updated document in
//! separate steps and scans for anything but an `_id`; so what must be decided once is decided by an insert, updates
//! of one asset take turns inside this process, and calls look up by `_id` alone.

mod assets;
mod documents;
mod uploads;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bson::doc;
use futures::FutureExt;
use ids::AssetId;
use launch::Secret;
use mongodb::{
    Client, Collection, Database, IndexModel, error::ErrorKind, error::WriteFailure, options::ClientOptions,
};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::model::{Asset, Document, Sighting, Upload};

const WAIT_FOR_SERVER: Duration = Duration::from_secs(30);
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
const STRIPES: usize = 64;
const DUPLICATE_KEY: i32 = 11000;

/// The collections; clones share the connections.
#[derive(Clone)]
pub(crate) struct Store {
    assets: Collection<Asset>,
    uploads: Collection<Upload>,
    documents: Collection<Document>,
    sightings: Collection<Sighting>,
    turns: Arc<Vec<Mutex<()>>>,
}

impl Store {
    /// Waits a bounded time for the server, sees to the indexes, and makes the process ready while the server answers.
    pub(crate) async fn connect(
        url: &Secret,
        prefix: &str,
        process: &mut launch::Process,
    ) -> anyhow::Result<Store> {
        // The parser's message may quote the URL, and with it the password.
        let options = ClientOptions::parse(url.expose()).await;
        let mut options = options.map_err(|_| anyhow::anyhow!("mongo_url is not a MongoDB URL"))?;
        options.app_name = Some(process.name().to_owned());
        options.server_selection_timeout = Some(ANSWERS_WITHIN);
        options.connect_timeout = Some(ANSWERS_WITHIN);
        options.max_pool_size = Some(16);
        let client = Client::with_options(options)?;
        let (media, metadata) =
            (client.database(&format!("{prefix}media")), client.database(&format!("{prefix}metadata")));

        let store = Store {
            assets: media.collection("assets"),
            uploads: media.collection("media_uploads"),
            documents: metadata.collection("docs"),
            sightings: metadata.collection("history"),
            turns: Arc::new((0..STRIPES).map(|_| Mutex::default()).collect()),
        };
        store.patiently_index().await?;
        process.ready("mongo", move || {
            let media = media.clone();
            async move { ping(&media).await.map(|()| json!({})).map_err(|err| err.to_string()) }.boxed()
        });
        Ok(store)
    }

    async fn patiently_index(&self) -> anyhow::Result<()> {
        // The relay's sweep asks for assets with something to tell; few have.
        let unsent = IndexModel::builder().keys(doc! { "outbox.revision": 1 }).build();
        let began = tokio::time::Instant::now();
        loop {
            match self.assets.create_index(unsent.clone()).await {
                Ok(_) => return Ok(()),
                Err(err) if began.elapsed() < WAIT_FOR_SERVER => {
                    tracing::warn!(error = %err, "waiting for the document store");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(err) => return Err(err).context("connecting to the document store"),
            }
        }
    }

    /// Held while an asset's document is changed.
    async fn turn(&self, asset_id: AssetId) -> MutexGuard<'_, ()> {
        let stripe = usize::from(asset_id.0.as_bytes()[15]) % STRIPES;
        self.turns[stripe].lock().await
    }
}

async fn ping(database: &Database) -> Result<(), mongodb::error::Error> {
    database.run_command(doc! { "ping": 1 }).await.map(|_| ())
}

/// Whether an insert went in: `false` when the `_id` was there.
fn inserted<T>(result: Result<T, mongodb::error::Error>) -> Result<bool, mongodb::error::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(err) => match &*err.kind {
            ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY => Ok(false),
            _ => Err(err),
        },
    }
}
