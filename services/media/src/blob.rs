//! The object store: staged uploads, and verified content under its hash.

use std::{ops::Range, sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::FutureExt;
use object_store::{
    ClientOptions, Error, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, Result, RetryConfig, WriteMultipart,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
    signer::{SignedUrlOptions, Signer},
};
use serde_json::json;
use url::Url;

use crate::{config::Bucket, content_id::ContentHash};

/// Up to this a file is held in memory and written in one request; beyond it in parts of this size.
pub(crate) const PART_BYTES: usize = 8 * 1024 * 1024;
const PARTS_AT_ONCE: usize = 2;
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// The bucket; clones share the connections.
#[derive(Clone)]
pub(crate) struct Blobs {
    store: Arc<AmazonS3>,
    /// The same bucket by the name that clients reach it under.
    signer: Arc<AmazonS3>,
}

/// A URL that takes one PUT, and the headers that it must be sent with.
pub(crate) struct PresignedPut {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
}

impl Blobs {
    /// Contacts nobody yet; makes the process ready while the bucket answers.
    pub(crate) fn open(
        bucket: &Bucket,
        upload_url: Option<&Url>,
        process: &mut launch::Process,
    ) -> anyhow::Result<Blobs> {
        let blobs = Blobs {
            store: Arc::new(client(bucket, &bucket.endpoint)?),
            signer: Arc::new(client(bucket, upload_url.unwrap_or(&bucket.endpoint))?),
        };
        let store = Arc::clone(&blobs.store);
        process.ready("s3", move || {
            let store = Arc::clone(&store);
            async move {
                // An empty list is an answer; a bucket that is not there is an error.
                let listed = store.list_with_delimiter(Some(&Path::from("ready"))).await;
                listed.map(|_| json!({})).map_err(|err| err.to_string())
            }
            .boxed()
        });
        Ok(blobs)
    }

    /// Type and hash are part of the signature. The length is not (the signer does not sign it), but a store that checks
    /// the hash refuses any other length too, and what it let through is found out when the upload is completed.
    pub(crate) async fn presign_put(
        &self,
        key: &str,
        mime_type: &str,
        sha256: &ContentHash,
        valid_for: Duration,
    ) -> Result<PresignedPut> {
        let mut headers = HeaderMap::new();
        let text = |text: &str| HeaderValue::from_str(text).expect("types and base64 are ASCII");
        headers.insert(header::CONTENT_TYPE, text(mime_type));
        headers.insert(HeaderName::from_static(CHECKSUM), text(&STANDARD.encode(sha256.as_bytes())));
        let mut options = SignedUrlOptions::default();
        for (name, value) in &headers {
            options = options.with_signed_header(name.clone(), value.clone());
        }
        let url = self.signer.signed_url_opts(Method::PUT, &Path::from(key), valid_for, &options).await?;
        Ok(PresignedPut { url, headers })
    }

    /// None where nothing is.
    pub(crate) async fn byte_size(&self, key: &str) -> Result<Option<u64>> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        absent_is_none(self.store.get_opts(&Path::from(key), options).await.map(|found| found.meta.size))
    }

    /// The content, or a part of it, as a stream; None where nothing is.
    pub(crate) async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<GetResult>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        absent_is_none(self.store.get_opts(&Path::from(key), options).await)
    }

    /// Up to so many bytes; None where nothing is, or more than that.
    pub(crate) async fn read_whole(&self, key: &str, limit: usize) -> Result<Option<Bytes>> {
        let Some(found) = self.read(key, None).await? else { return Ok(None) };
        if found.meta.size > limit as u64 {
            return Ok(None);
        }
        found.bytes().await.map(Some)
    }

    pub(crate) async fn write(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.store.put_opts(&Path::from(key), bytes.into(), PutOptions::default()).await.map(|_| ())
    }

    /// Content that is seen by nobody before [`Draft::publish`].
    pub(crate) fn draft(&self, key: &str) -> Draft {
        Draft { store: Arc::clone(&self.store), key: Path::from(key), small: Vec::new(), parts: None }
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        absent_is_none(self.store.delete(&Path::from(key)).await).map(|_| ())
    }
}

fn client(bucket: &Bucket, endpoint: &Url) -> Result<AmazonS3> {
    let options = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(3))
        .with_timeout(Duration::from_secs(120))
        .with_allow_http(endpoint.scheme() == "http");
    let retry =
        RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(5), ..RetryConfig::default() };
    AmazonS3Builder::new()
        .with_endpoint(endpoint.as_str().trim_end_matches('/'))
        .with_region(&bucket.region)
        .with_bucket_name(&bucket.bucket)
        .with_access_key_id(&bucket.access_key)
        .with_secret_access_key(bucket.secret_key.expose())
        .with_client_options(options)
        .with_retry(retry)
        .build()
}

fn absent_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Content on its way into the store, in flat memory.
pub(crate) struct Draft {
    store: Arc<AmazonS3>,
    key: Path,
    small: Vec<u8>,
    parts: Option<WriteMultipart>,
}

impl Draft {
    pub(crate) async fn push(&mut self, chunk: &Bytes) -> Result<()> {
        if let Some(parts) = &mut self.parts {
            parts.wait_for_capacity(PARTS_AT_ONCE).await?;
            parts.write(chunk);
            return Ok(());
        }
        self.small.extend_from_slice(chunk);
        if self.small.len() > PART_BYTES {
            let begun = self.store.put_multipart_opts(&self.key, PutMultipartOptions::default()).await?;
            let parts = self.parts.insert(WriteMultipart::new_with_chunk_size(begun, PART_BYTES));
            parts.write(&std::mem::take(&mut self.small));
        }
        Ok(())
    }

    pub(crate) async fn publish(self) -> Result<()> {
        match self.parts {
            Some(parts) => parts.finish().await.map(|_| ()),
            None => {
                self.store.put_opts(&self.key, self.small.into(), PutOptions::default()).await.map(|_| ())
            }
        }
    }

    pub(crate) async fn discard(self) {
        if let Some(parts) = self.parts
            && let Err(err) = parts.abort().await
        {
            tracing::warn!(error = %err, "could not discard a draft");
        }
    }
}

/// The key of verified content.
pub(crate) fn asset_key(sha256: &ContentHash) -> String {
    format!("assets/{sha256}")
}
