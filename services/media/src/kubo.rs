//! The IPFS node, by Kubo's RPC: puts single blocks and reads files. What it says is compared with what we computed.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use cid::Cid;
use reqwest::{Client, Response, StatusCode, header::CONTENT_TYPE, redirect};
use serde::Deserialize;
use url::Url;

const PUT_WITHIN: Duration = Duration::from_secs(3);
const BOUNDARY: &str = "vitrine-block-6f1c2a9b7d";

/// The node; clones share the connections.
#[derive(Clone)]
pub(crate) struct Kubo {
    url: Url,
    client: Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutAnswer {
    key: String,
}

/// Why the node gave no content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("the content is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the IPFS node does not have it in time: {0}")]
    Unreachable(String),
}

impl Kubo {
    pub(crate) fn new(url: &Url) -> anyhow::Result<Kubo> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .build()?;
        Ok(Kubo { url: url.clone(), client })
    }

    fn endpoint(&self, method: &str) -> anyhow::Result<Url> {
        self.url.join(&format!("/api/v0/{method}")).context("ipfs_url is no base URL")
    }

    /// Puts and pins one raw block; an error when the node names it otherwise than we do.
    pub(crate) async fn put_block(&self, bytes: &[u8], expected: &Cid) -> anyhow::Result<()> {
        let mut url = self.endpoint("block/put")?;
        url.query_pairs_mut().extend_pairs([("cid-codec", "raw"), ("mhtype", "sha2-256"), ("pin", "true")]);
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(form(bytes))
            .timeout(PUT_WITHIN);
        let response = request.send().await?.error_for_status()?;
        let answer = read_up_to(response, 4096).await.context("block/put")?;
        let key: Cid = serde_json::from_slice::<PutAnswer>(&answer)?.key.parse()?;
        if key != *expected {
            bail!("the node calls the block {key}, we call it {expected}");
        }
        Ok(())
    }

    /// The content of `{cid}/{path}`.
    pub(crate) async fn cat(&self, path: &str, limit: usize, within: Duration) -> Result<Bytes, Unread> {
        let unreachable = |err: reqwest::Error| Unread::Unreachable(err.to_string());
        let mut url = self.endpoint("cat").map_err(|err| Unread::Unreachable(err.to_string()))?;
        // One byte more than is taken tells a longer file.
        url.query_pairs_mut().append_pair("arg", path).append_pair("length", &(limit + 1).to_string());
        let response = self.client.post(url).timeout(within).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(Unread::Unreachable(format!("status {}", response.status().as_u16())));
        }
        read_up_to(response, limit).await
    }
}

async fn read_up_to(mut response: Response, limit: usize) -> Result<Bytes, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|err| Unread::Unreachable(err.to_string()))? {
        if body.len() + chunk.len() > limit {
            return Err(Unread::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// One file in a multipart form. A document that contains the boundary is JSON text all the same: the boundary begins
/// with a line end, which JSON written by us never has.
fn form(bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"data\"; filename=\"block\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), bytes, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}
