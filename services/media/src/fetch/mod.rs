//! Fetches the document that a metadata URI names, by scheme. Every way is bounded in time and bytes.

mod data_uri;
mod https;
mod ipfs;
mod public_address;

use std::time::Duration;

use bytes::Bytes;

use crate::{blob::Blobs, kubo::Kubo, store::Store};

pub(crate) const DOCUMENT_BYTES: usize = 1024 * 1024;
const FETCH_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no document; the word is part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfetched {
    #[error("the host does not answer")]
    Unreachable,
    #[error("the host does not have it")]
    NotFound,
    #[error("it is too large")]
    TooLarge,
    /// A scheme, an address, a port or a lie that is not put up with.
    #[error("it is refused: {0}")]
    Refused(&'static str),
    #[error("it is not JSON")]
    NotJson,
}

impl Unfetched {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Unfetched::Unreachable => "UNREACHABLE",
            Unfetched::NotFound => "NOT_FOUND",
            Unfetched::TooLarge => "TOO_LARGE",
            Unfetched::Refused(_) => "REFUSED",
            Unfetched::NotJson => "NOT_JSON",
        }
    }
}

/// All ways to a document; clones share the connections.
#[derive(Clone)]
pub(crate) struct Fetcher {
    https: https::Https,
    ipfs: ipfs::Ipfs,
}

impl Fetcher {
    pub(crate) fn new(
        store: Store,
        blobs: Blobs,
        kubo: Option<Kubo>,
        allow_loopback: bool,
    ) -> anyhow::Result<Fetcher> {
        let guard = public_address::Guard { allow_loopback, any_port: false };
        Ok(Fetcher { https: https::Https::new(guard)?, ipfs: ipfs::Ipfs { store, blobs, kubo } })
    }

    pub(crate) async fn fetch(&self, uri: &str) -> Result<Bytes, Unfetched> {
        // What the caller still waits for, less the time to answer.
        let left =
            rpc::remaining().map_or(FETCH_WITHIN, |left| left.saturating_sub(Duration::from_millis(300)));
        let within = left.min(FETCH_WITHIN);
        let by_scheme = async {
            match scheme(uri).as_str() {
                "data" => data_uri::read(uri),
                "ipfs" => self.ipfs.fetch(uri, within).await,
                "http" | "https" => self.https.fetch(uri).await,
                _ => Err(Unfetched::Refused("the scheme is none of data, ipfs, https, http")),
            }
        };
        tokio::time::timeout(within, by_scheme).await.unwrap_or(Err(Unfetched::Unreachable))
    }
}

fn scheme(uri: &str) -> String {
    uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default()
}
