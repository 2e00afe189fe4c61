//! How content is named: by its SHA-256, which is also inside its CID.

use std::{fmt, str::FromStr};

use cid::{Cid, multihash::Multihash};
use ids::AssetId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;
/// What an IPFS node keeps in one block; a longer file's CID names a tree instead.
const ONE_BLOCK_BYTES: u64 = 256 * 1024;

/// The SHA-256 of some content; written as 64 lower-case digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContentHash([u8; 32]);

impl ContentHash {
    pub(crate) fn of(bytes: &[u8]) -> ContentHash {
        ContentHash(Sha256::digest(bytes).into())
    }

    pub(crate) fn of_digest(digest: Sha256) -> ContentHash {
        ContentHash(digest.finalize().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The one asset with this content: the same bytes have the same id in any rebuild.
    pub(crate) fn asset_id(&self) -> AssetId {
        AssetId(ids::derived_uuid("asset", &self.to_string()))
    }

    /// CIDv1 of the content as one raw block.
    pub(crate) fn cid(&self) -> Cid {
        let hash = Multihash::wrap(SHA2_256, &self.0).expect("32 bytes fit a multihash");
        Cid::new_v1(RAW, hash)
    }

    /// The CID that an IPFS node gives to a file of this size; none yet for a file of several blocks.
    pub(crate) fn file_cid(&self, byte_size: u64) -> Option<Cid> {
        (byte_size <= ONE_BLOCK_BYTES).then(|| self.cid())
    }

    /// The hash inside a CID that names one raw block; other CIDs name trees.
    pub(crate) fn of_raw(cid: &Cid) -> Option<ContentHash> {
        let is_raw_sha256 = cid.codec() == RAW && cid.hash().code() == SHA2_256;
        is_raw_sha256.then(|| cid.hash().digest().try_into().ok().map(ContentHash)).flatten()
    }
}

impl FromStr for ContentHash {
    type Err = ();

    fn from_str(text: &str) -> Result<ContentHash, ()> {
        if text.len() != 64 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(());
        }
        let bytes = hex::decode(text).map_err(|_| ())?;
        bytes.try_into().map(ContentHash).map_err(|_| ())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ContentHash, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|()| D::Error::custom("not a SHA-256"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_cid_is_the_one_that_ipfs_nodes_give() {
        // `printf 'hello world' | ipfs add --raw-leaves --cid-version=1 -q`
        let hash = ContentHash::of(b"hello world");
        assert_eq!(hash.cid().to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
        assert_eq!(ContentHash::of_raw(&hash.cid()), Some(hash));
        assert_eq!(hash.file_cid(262_145), None);
    }

    #[test]
    fn a_cid_of_a_tree_holds_no_content_hash() {
        let tree: Cid = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o".parse().unwrap();
        assert_eq!(ContentHash::of_raw(&tree), None);
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        let text = ContentHash::of(b"").to_string();
        assert_eq!(text.parse::<ContentHash>().map(|hash| hash.to_string()), Ok(text.clone()));
        for wrong in
            [text.to_uppercase(), text[1..].to_owned(), format!("{text}0"), format!("g{}", &text[1..])]
        {
            assert!(wrong.parse::<ContentHash>().is_err(), "{wrong}");
        }
    }
}
