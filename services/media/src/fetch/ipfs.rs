//! Documents by their content id: our own first, then the IPFS node, whose answer is checked.

use std::time::Duration;

use bytes::Bytes;
use cid::Cid;

use super::{DOCUMENT_BYTES, Unfetched};
use crate::{
    blob::{Blobs, asset_key},
    content_id::ContentHash,
    kubo::{Kubo, Unread},
    store::Store,
};

#[derive(Clone)]
pub(crate) struct Ipfs {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) kubo: Option<Kubo>,
}

impl Ipfs {
    pub(crate) async fn fetch(&self, uri: &str, within: Duration) -> Result<Bytes, Unfetched> {
        let (cid, path) = parse(uri)?;
        let raw = if path.is_empty() { ContentHash::of_raw(&cid) } else { None };
        if let Some(hash) = raw
            && let Some(bytes) = self.own(hash).await
        {
            return Ok(bytes);
        }
        let kubo = self.kubo.as_ref().ok_or(Unfetched::Unreachable)?;
        let bytes = kubo.cat(&format!("{cid}{path}"), DOCUMENT_BYTES, within).await.map_err(|err| {
            tracing::debug!(error = %err, "ipfs content not read");
            match err {
                Unread::TooLarge(_) => Unfetched::TooLarge,
                Unread::Unreachable(_) => Unfetched::Unreachable,
            }
        })?;
        match raw {
            Some(hash) if ContentHash::of(&bytes) != hash => {
                Err(Unfetched::Refused("the content is not what the CID says"))
            }
            _ => Ok(bytes),
        }
    }

    /// A document that was built, fetched or uploaded here. A store that is away is no reason not to ask the node.
    async fn own(&self, hash: ContentHash) -> Option<Bytes> {
        match self.store.find_document(hash).await {
            Ok(Some(document)) => return Some(document.original.into()),
            Ok(None) => {}
            Err(err) => tracing::warn!(error = %err, "own documents cannot be looked up"),
        }
        let read = self.blobs.read_whole(&asset_key(&hash), DOCUMENT_BYTES).await;
        read.inspect_err(|err| tracing::warn!(error = %err, "own content cannot be read")).ok().flatten()
    }
}

/// `ipfs://{cid}`, `ipfs://{cid}/{path}`, and the common `ipfs://ipfs/{cid}`.
fn parse(uri: &str) -> Result<(Cid, String), Unfetched> {
    let rest = uri
        .split_once("://")
        .map(|(_, rest)| rest)
        .ok_or(Unfetched::Refused("an ipfs URI begins with ipfs://"))?;
    let rest = rest.strip_prefix("ipfs/").unwrap_or(rest);
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let rest = rest[..end].trim_end_matches('/');
    let (cid, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let cid = cid.parse().map_err(|_| Unfetched::Refused("the URI holds no CID"))?;
    if path.split('/').any(|part| part == "..") {
        return Err(Unfetched::Refused("the path leaves its folder"));
    }
    Ok((cid, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_write_an_ipfs_uri_are_read() {
        let cid = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        for (uri, path) in [
            (format!("ipfs://{cid}"), ""),
            (format!("ipfs://{cid}/"), ""),
            (format!("ipfs://ipfs/{cid}"), ""),
            (format!("ipfs://{cid}/1.json?x=1"), "/1.json"),
            (format!("IPFS://{cid}/a/b"), "/a/b"),
        ] {
            let (read, rest) = parse(&uri).unwrap();
            assert_eq!((read.to_string().as_str(), rest.as_str()), (cid, path), "{uri}");
        }
        for uri in ["ipfs://", "ipfs://example.com", "ipfs:x", &format!("ipfs://{cid}/../x")] {
            assert!(parse(uri).is_err(), "{uri}");
        }
    }
}
