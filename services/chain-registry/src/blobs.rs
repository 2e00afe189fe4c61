//! The object store of large interfaces. What lies under a hash never changes, so a blob whose row was never written is
//! harmless: the next try writes the same bytes there again.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures::FutureExt;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, PutOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use serde_json::json;

use crate::{
    abi_text::{ABI_MAX_BYTES, sha256},
    config::Bucket,
    error::Error,
};

const PATIENCE: Duration = Duration::from_secs(8);
const LOOK_PATIENCE: Duration = Duration::from_secs(1);

/// The bucket; clones share the connections. Without one, large interfaces are refused.
#[derive(Clone)]
pub(crate) struct Blobs(Option<Arc<AmazonS3>>);

impl Blobs {
    /// Contacts nobody yet. A store that is away is told by `/ready` and makes nothing fail but large interfaces.
    pub(crate) fn open(bucket: &Bucket, process: &mut launch::Process) -> anyhow::Result<Blobs> {
        if bucket.secret_key.expose().is_empty() {
            tracing::info!("no object store: large interfaces will be refused");
            return Ok(Blobs(None));
        }
        let store = Arc::new(client(bucket)?);
        let asked = Arc::clone(&store);
        process.ready("s3", move || {
            let store = Arc::clone(&asked);
            async move {
                // An empty list is an answer; a bucket that is not there is an error.
                let folder = Path::from("ready");
                let listed = store.list_with_delimiter(Some(&folder));
                let listed = tokio::time::timeout(LOOK_PATIENCE, listed).await;
                Ok(json!({ "reachable": matches!(listed, Ok(Ok(_))), "required": false }))
            }
            .boxed()
        });
        Ok(Blobs(Some(store)))
    }

    /// Writes the bytes under their hash and answers with the key.
    pub(crate) async fn write(&self, sha256: &str, text: &str) -> Result<String, Error> {
        let why = "is larger than 256 KiB, and this registry has no object store for it";
        let store = self.0.as_ref().ok_or_else(|| Error::field("abi_json", why))?;
        let key = format!("abi/{sha256}.json");
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let path = Path::from(key.as_str());
        let put = store.put_opts(&path, bytes.into(), PutOptions::default());
        patiently(put).await.context("an interface could not be written").map_err(Error::Blob)?;
        Ok(key)
    }

    /// The bytes under a key, if they are those that the hash is of.
    pub(crate) async fn read(&self, key: &str, expected: &str) -> Result<String, Error> {
        let read = async {
            let store = self.0.as_ref().ok_or_else(|| anyhow!("there is no object store"))?;
            let path = Path::from(key);
            let found = patiently(store.get(&path)).await?;
            if found.meta.size > ABI_MAX_BYTES as u64 {
                return Err(anyhow!("{key} is larger than it was written"));
            }
            let bytes = patiently(found.bytes()).await?;
            if sha256(&bytes) != expected {
                return Err(anyhow!("{key} holds other bytes than were written"));
            }
            String::from_utf8(bytes.into()).context("an interface is text")
        };
        read.await.map_err(Error::Blob)
    }
}

async fn patiently<T>(asked: impl Future<Output = object_store::Result<T>>) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    Ok(answer.map_err(|_| anyhow!("no answer within {PATIENCE:?}"))??)
}

fn client(bucket: &Bucket) -> object_store::Result<AmazonS3> {
    let options = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(2))
        .with_timeout(PATIENCE)
        .with_allow_http(bucket.endpoint.scheme() == "http");
    let retry =
        RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(5), ..RetryConfig::default() };
    AmazonS3Builder::new()
        .with_endpoint(bucket.endpoint.as_str().trim_end_matches('/'))
        .with_region(&bucket.region)
        .with_bucket_name(&bucket.bucket)
        .with_access_key_id(&bucket.access_key)
        .with_secret_access_key(bucket.secret_key.expose())
        .with_client_options(options)
        .with_retry(retry)
        .build()
}
