//! What is asked for, as it was parsed, and what makes it right. It is also what is stored, and hashed: the same ask
//! under one request id is the same intent.

use amounts::U256;
use ids::{Address, ChainId, Hash32, TokenId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The factory refuses more.
pub(crate) const STAGES_MAX: usize = abi::launchpad::MAX_STAGES;
const QUANTITY_721_MAX: u64 = 200;
pub(crate) const PROOF_MAX: usize = 64;

/// One complaint about one field, for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) path: String,
    pub(crate) message: String,
}

/// A token standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standard {
    #[serde(rename = "ERC721")]
    Erc721,
    #[serde(rename = "ERC1155")]
    Erc1155,
}

/// Who may mint in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StageKind {
    Allowlist,
    Public,
}

/// A stage of a collection that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StageAsk {
    pub(crate) kind: StageKind,
    #[serde(with = "amounts::decimal")]
    pub(crate) price: U256,
    /// Seconds since 1970; 0 for "at once".
    pub(crate) starts_at: u64,
    pub(crate) ends_at: Option<u64>,
    #[serde(with = "amounts::decimal")]
    pub(crate) max_per_wallet: U256,
    pub(crate) allowlist_root: Option<Hash32>,
    /// Of the stage, over all wallets; 0 for unlimited.
    #[serde(default, with = "amounts::decimal", skip_serializing_if = "U256::is_zero")]
    pub(crate) max_supply: U256,
}

/// A collection that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CreateAsk {
    pub(crate) chain_id: ChainId,
    pub(crate) standard: Standard,
    pub(crate) name: String,
    pub(crate) symbol: String,
    pub(crate) creator: Address,
    pub(crate) metadata_uri: String,
    pub(crate) base_uri: String,
    pub(crate) royalty_bps: u32,
    pub(crate) royalty_recipient: Address,
    #[serde(with = "amounts::decimal")]
    pub(crate) max_supply: U256,
    pub(crate) stages: Vec<StageAsk>,
}

/// Tokens that are to be minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MintAsk {
    pub(crate) standard: Standard,
    pub(crate) chain_id: ChainId,
    pub(crate) collection: Address,
    pub(crate) minter: Address,
    pub(crate) recipient: Address,
    /// For ERC-1155.
    pub(crate) token_id: Option<TokenId>,
    #[serde(with = "amounts::decimal")]
    pub(crate) quantity: U256,
    pub(crate) proof: Vec<Hash32>,
    /// For one, as the user was shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected_price: Option<U256>,
    /// One a token: a creator's own mint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) metadata_uris: Vec<String>,
}

/// The hash by which two asks under one request id are told apart.
pub(crate) fn request_hash(ask: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(ask).expect("an ask is plain structs with string keys");
    Sha256::digest(text).to_vec()
}

impl CreateAsk {
    /// What is wrong with it at `now` (seconds since 1970); empty where nothing is.
    pub(crate) fn violations(&self, now: u64) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut need = |holds: bool, path: String, message: &str| {
            if !holds {
                found.push(Violation { path, message: message.to_owned() });
            }
        };
        need(is_line(&self.name, 100), "name".into(), "must be 1 to 100 printable characters");
        need(is_line(&self.symbol, 16), "symbol".into(), "must be 1 to 16 printable characters");
        need(is_uri(&self.metadata_uri), "metadata_uri".into(), URI);
        need(is_uri(&self.base_uri), "base_uri".into(), URI);
        need(self.royalty_bps <= 10_000, "royalty_bps".into(), "must be at most 10000");
        need(!self.creator.is_zero(), "creator".into(), "must not be the zero address");
        need(!self.royalty_recipient.is_zero(), "royalty_recipient".into(), "must not be the zero address");
        need(self.stages.len() <= STAGES_MAX, "stages".into(), "must be at most 16");
        for (at, stage) in self.stages.iter().enumerate() {
            let path = |field: &str| format!("stages[{at}].{field}");
            if let Some(ends_at) = stage.ends_at {
                need(ends_at > stage.starts_at, path("end_time"), "must be after the start");
                need(ends_at > now, path("end_time"), "is over already");
            }
            match stage.kind {
                StageKind::Public => {
                    need(
                        stage.allowlist_root.is_none(),
                        path("allowlist_root"),
                        "belongs to allowlists only",
                    );
                }
                StageKind::Allowlist => {
                    let is_list = stage.allowlist_root.is_some_and(|root| root != Hash32::new([0; 32]));
                    need(is_list, path("allowlist_root"), "must be 32 bytes that are not all zero");
                }
            }
        }
        found
    }
}

impl MintAsk {
    /// What is wrong with it; empty where nothing is.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut need = |holds: bool, path: &str, message: &str| {
            if !holds {
                found.push(Violation { path: path.to_owned(), message: message.to_owned() });
            }
        };
        need(!self.collection.is_zero(), "collection.address", "must not be the zero address");
        need(!self.minter.is_zero(), "minter", "must not be the zero address");
        need(!self.recipient.is_zero(), "recipient", "must not be the zero address");
        need(!self.quantity.is_zero(), "quantity", "must be at least 1");
        let is_bounded = self.standard == Standard::Erc1155 || self.quantity <= U256::from(QUANTITY_721_MAX);
        need(is_bounded, "quantity", "must be at most 200");
        need(self.proof.len() <= PROOF_MAX, "proof", "must be at most 64 hashes");
        if !self.metadata_uris.is_empty() {
            let uris = &self.metadata_uris;
            need(self.standard == Standard::Erc721, "metadata_uris", "belong to ERC-721 only");
            need(uris.len() <= abi::launchpad::MAX_URIS, "metadata_uris", "must be at most 200");
            need(self.quantity == U256::from(uris.len()), "quantity", "must be the number of metadata_uris");
            need(uris.iter().all(|uri| !uri.is_empty() && is_uri(uri)), "metadata_uris", "must be URIs");
            need(self.proof.is_empty(), "proof", "belongs to a stage, and metadata_uris to none");
            let is_free = self.expected_price.is_none_or(|price| price.is_zero());
            need(is_free, "expected_price_raw", "must be 0 or empty where metadata_uris are given");
        }
        found
    }
}

const URI: &str = "must be empty or an ipfs, https, http, ar or data URI of at most 2048 characters";

fn is_line(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control) && text.trim() == text
}

fn is_uri(text: &str) -> bool {
    let is_known =
        ["ipfs://", "https://", "http://", "ar://", "data:"].iter().any(|scheme| text.starts_with(scheme));
    text.is_empty() || (is_known && text.chars().count() <= 2048 && !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn create() -> CreateAsk {
        let creator = Address::new([1; 20]);
        CreateAsk {
            chain_id: ChainId::new(31337).unwrap(),
            standard: Standard::Erc721,
            name: "Sunsets".into(),
            symbol: "SUN".into(),
            creator,
            metadata_uri: "ipfs://bafy".into(),
            base_uri: String::new(),
            royalty_bps: 500,
            royalty_recipient: creator,
            max_supply: U256::ZERO,
            stages: vec![StageAsk {
                kind: StageKind::Public,
                price: U256::MAX,
                starts_at: 0,
                ends_at: Some(2000),
                max_per_wallet: U256::ZERO,
                allowlist_root: None,
                max_supply: U256::ZERO,
            }],
        }
    }

    #[test]
    fn each_wrong_field_of_a_create_is_named() {
        assert_eq!(create().violations(1000), vec![]);
        let mut ask = create();
        ask.name = "line\nbreak".into();
        ask.symbol.clear();
        ask.metadata_uri = "javascript:alert(1)".into();
        ask.royalty_bps = 10_001;
        ask.royalty_recipient = Address::ZERO;
        ask.stages[0].kind = StageKind::Allowlist;
        ask.stages[0].ends_at = Some(0);
        let paths: Vec<String> = ask.violations(1000).into_iter().map(|violation| violation.path).collect();
        let expected = [
            "name",
            "symbol",
            "metadata_uri",
            "royalty_bps",
            "royalty_recipient",
            "stages[0].end_time",
            "stages[0].end_time",
            "stages[0].allowlist_root",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn an_ask_survives_its_storage_and_keeps_its_hash() {
        let ask = create();
        let stored: CreateAsk = serde_json::from_value(serde_json::to_value(&ask).unwrap()).unwrap();
        assert_eq!(stored, ask);
        assert_eq!(request_hash(&stored), request_hash(&ask));
        let mut other = ask.clone();
        other.stages[0].price -= U256::from(1);
        assert_ne!(request_hash(&other), request_hash(&ask));
    }
}
